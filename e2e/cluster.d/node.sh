# shellcheck shell=bash disable=SC2034,SC2013,SC2016,SC2154,SC2164 # sourced by e2e/cluster, which sets what is not set here
# The node of `up full`: containerd, kubelet, kube-proxy, CoreDNS and volumes, in the namespace of the control plane.
#
# - What this kind of program leaves in a machine is put where `down` finds it: cgroups below one of our own, sockets and
#   mounts in a state directory of our own, and the few places that cannot be chosen are cleaned of what is ours.
# - Pods are wired point to point (`ptp`), not by a bridge: all that a pod sends passes the node's routing, so that Services
#   work without br_netfilter, which not every kernel has.
# - Volumes are `local` ones: the host-path provisioner makes folders that only root can write to, and heeds no fsGroup.

readonly NODE=n1 PODS=198.51.100.0/24 VOLUMES=10
readonly NODE_DAEMONS=(kube-scheduler containerd kubelet kube-proxy coredns)
# What kubelet sets for the whole machine, and the last `down` sets back.
readonly KUBELET_SYSCTLS=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
  kernel/keys/root_maxbytes)

need_node_tools() {
  local packages=() cni=/usr/lib/cni
  command -v containerd >/dev/null && command -v containerd-shim-runc-v2 >/dev/null || packages+=(containerd)
  command -v runc >/dev/null || packages+=(runc)
  [ -x $cni/ptp ] && [ -x $cni/host-local ] && [ -x $cni/loopback ] || packages+=(containernetworking-plugins)
  command -v nft >/dev/null || packages+=(nftables)
  command -v pgrep >/dev/null && command -v sysctl >/dev/null || packages+=(procps)
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  command -v python3 >/dev/null || packages+=(python3)
  command -v strip >/dev/null || packages+=(binutils)
  [ ${#packages[@]} = 0 ] || die "a node needs more; install it: apt-get install --no-install-recommends ${packages[*]}"
}

# === What is ours ===

state_is_ours() { [ "$(cat "$state/owner" 2>/dev/null)" = "$dir" ]; }
ctr() { command ctr --address "$state/containerd.sock" --namespace k8s.io "$@"; }

# Our folder in each hierarchy of cgroups.
cgroups() { awk -v name="route-switch-$netns" '$3 ~ /^cgroup2?$/ {print $2 "/" name}' /proc/mounts; }

pod_processes() {
  local folder
  state_is_ours || return 0
  cgroups | while read -r folder; do find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null || true; done | sort -un
}

# containerd's helpers, one for each pod: they live in the namespace and name our socket.
shims() {
  local pid
  state_is_ours || return 0
  for pid in $(ip netns pids "$netns" 2>/dev/null); do
    grep -qz '^[^ ]*containerd-shim' "/proc/$pid/cmdline" 2>/dev/null &&
      grep -qxzF -- "$state/containerd.sock" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
  done || true
}

# === Bringing it up ===

make_state() {
  local name other
  mkdir -p "$state"
  echo "$dir" >"$state/owner"
  # Another cluster's kubelet has changed them already: what it found is what the machine had.
  for other in /run/route-switch-*/sysctls; do
    if [ -e "$other" ]; then cp "$other" "$state/sysctls"; return; fi
  done
  for name in "${KUBELET_SYSCTLS[@]}"; do echo "$name $(cat "/proc/sys/$name" 2>/dev/null)"; done >"$state/sysctls"
}

# Unless another cluster is still there, which then does it.
restore_sysctls() { # the file that tells them
  local name value
  ! compgen -G '/run/route-switch-*/sysctls' >/dev/null || return 0
  while read -r name value; do
    [ "$(cat "/proc/sys/$name" 2>/dev/null)" = "$value" ] || echo "$value" >"/proc/sys/$name" || true
  done <"$1"
}

make_cgroups() {
  local folder name
  cgroups | while read -r folder; do
    # Version 2: what the parent does not pass on, its children do not have.
    [ ! -e "${folder%/*}/cgroup.subtree_control" ] ||
      for name in $(cat "${folder%/*}/cgroup.controllers"); do
        { echo "+$name" >"${folder%/*}/cgroup.subtree_control"; } 2>/dev/null || true
      done
    mkdir -p "$folder"
    for name in cpuset.cpus cpuset.mems; do
      [ ! -e "$folder/$name" ] || [ -n "$(cat "$folder/$name")" ] || cat "${folder%/*}/$name" >"$folder/$name"
    done
  done
}

make_node_network() {
  # kube-proxy finds no address where there is no default route; this one leads nowhere.
  ip -n "$netns" link add node0 type veth peer name node1
  ip -n "$netns" link set node0 up
  ip -n "$netns" link set node1 up
  ip -n "$netns" route add default dev node0 src "$ADDRESS"
  inside sysctl -qw net.ipv4.ip_forward=1
  mkdir "$dir/cni"
  cat >"$dir/cni/10-pods.conflist" <<C
{"cniVersion": "0.4.0", "name": "route-switch-$netns", "plugins": [{"type": "ptp", "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "$PODS"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
C
}

start_containerd() {
  # Without CAP_SYS_RESOURCE, which containers often lack, no score can be lowered: restrict_oom_score_adj.
  cat >"$dir/containerd.toml" <<C
version = 2
root = "$dir/containerd"
state = "$state/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "$state/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.local/pause:1"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$dir/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "$state/runc"
C
  # Pods, which are not root, read files that containerd and kubelet make.
  umask 022
  start containerd --config containerd.toml
  umask 077
}

start_kubelet() {
  # A machine with little room is none of the tests' business: nothing is evicted, no image is collected.
  cat >"$dir/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$state/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /route-switch-$netns
podLogsDir: $dir/log/pods
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: []
evictionHard: {imagefs.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", memory.available: "0%"}
imageGCHighThresholdPercent: 100
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $dir/pki/kubelet-server.crt
tlsPrivateKeyFile: $dir/pki/kubelet-server.key
resolvConf: ""
clusterDNS: ["$ADDRESS"]
clusterDomain: cluster.local
maxPods: 100
syncFrequency: 10s
C
  umask 022
  start kubelet --config=kubelet.yaml --kubeconfig=pki/kubelet.kubeconfig --hostname-override="$NODE" --node-ip="$ADDRESS" \
    --root-dir="$dir/kubelet" --cert-dir="$dir/pki"
  umask 077
}

start_proxy() {
  start kube-proxy --kubeconfig=pki/kube-proxy.kubeconfig --proxy-mode=nftables --cluster-cidr="$PODS" \
    --hostname-override="$NODE" --conntrack-max-per-core=0
}

start_dns() {
  cat >"$dir/Corefile" <<C
cluster.local:53 {
  bind $ADDRESS
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local {
    kubeconfig $dir/pki/coredns.kubeconfig e2e
  }
}
C
  start coredns -conf Corefile
}

make_volumes() {
  local number
  cat <<C
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
C
  for ((number = 0; number < VOLUMES; number++)); do
    ( umask 022; mkdir -p "$dir/volumes/$number" )
    cat <<C
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-$number}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {path: "$dir/volumes/$number"}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$NODE]}]}]}}
C
  done
}

# shellcheck disable=SC2317 # these are given to `await` by name
containerd_answers() { ctr version; }
# shellcheck disable=SC2317
answers() { # port and path on the node's loopback that must say 200
  inside timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "GET %s HTTP/1.0\r\n\r\n" "$2" >&3; head -n 1 <&3 | grep -q " 200 "' - "$@"
}
# shellcheck disable=SC2317
node_is_ready() { # since when, in seconds
  local status beat
  read -r status beat < <(admin get node "$NODE" \
    -o 'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}')
  [ "$status" = True ] && [ "$(date -d "$beat" +%s)" -ge "$1" ]
}

begin_node() {
  make_state
  make_cgroups
  make_node_network
  start_containerd
}

finish_node() {
  local now; now=$(date +%s)
  await containerd "answer" containerd_answers
  make_pause_image
  start_kubelet
  start_proxy
  start_dns
  make_volumes | admin apply -f - >/dev/null
  await kubelet "Ready node" node_is_ready "$now"
  await kube-proxy "health" answers 10256 /healthz
  await coredns "readiness" answers 8181 /ready
}

# === Stopping, starting, taking down ===

# As when a machine loses its power: nothing is asked, and what pods kept outside their volumes is lost.
kill_node() {
  local pids pid file sockets=() deadline=$((SECONDS + 30))
  kill_daemons kubelet containerd
  # Each helper of a pod has a socket where this kind of program has always put it, and its name in a file.
  for file in "$state"/containerd/io.containerd.runtime.v2.task/k8s.io/*/address; do
    [ ! -s "$file" ] || sockets+=("$(sed 's|^unix://||' "$file")")
  done
  while read -ra pids < <({ shims; pod_processes; } | tr '\n' ' '); [ ${#pids[@]} != 0 ]; do
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    [ $SECONDS -lt $deadline ] || die "processes of pods do not end: ${pids[*]}"
    sleep 0.05
  done
  rm -f "${sockets[@]}"
}

node() {
  local now
  is_marked || die "no cluster is up in $dir; first: $0 up full"
  [ "$level" = full ] || die "the cluster in $dir has no node; take it down, then: $0 up full"
  case ${1:-} in
    stop)
      daemon kubelet >/dev/null || daemon containerd >/dev/null || die "the node is stopped already; next: $0 node start"
      kill_node
      say "the node is stopped: kubelet and containerd are down, every pod is killed"
      ;;
    start)
      ! daemon kubelet >/dev/null || die "the node is running; first: $0 node stop"
      kill_node                        # what a kubelet that died by itself has left
      now=$(date +%s)
      umask 077
      cd "$dir"
      start_containerd
      await containerd "answer" containerd_answers
      start_kubelet
      await kubelet "Ready node" node_is_ready "$now"
      say "the node is Ready; kubelet goes on to start the pods again"
      ;;
    *) misuse "node what? There is: node stop, node start" ;;
  esac
}

# Volumes whose claims are deleted keep their data and serve nobody (Retain); this makes them new.
clear_volumes() {
  local name number
  for name in $(admin get persistentvolumes -o 'jsonpath={range .items[?(@.status.phase=="Released")]}{.metadata.name}{"\n"}{end}'); do
    number=${name#local-}
    [ -d "$dir/volumes/$number" ] || continue
    find "$dir/volumes/$number" -mindepth 1 -delete
    admin patch persistentvolume "$name" --type json -p '[{"op": "remove", "path": "/spec/claimRef"}]' >/dev/null
    say "$name is empty and available again"
  done
}

take_down_node() {
  kill_node
  local folder link
  unmount_below "$state" "$dir"
  # Where programs write to whatever they are told: what is ours in it, and the folders if that leaves them empty.
  for link in /var/log/containers/*; do
    [[ $(readlink "$link" || true) != "$dir"/* ]] || rm -f "$link"
  done
  rm -rf /var/lib/cni/results/"route-switch-$netns"-*
  # Another kubelet would not use this socket of a dead one: it makes its own anew.
  [ -n "$(pgrep -x kubelet || true)" ] || rm -f /var/lib/kubelet/device-plugins/kubelet.sock
  for folder in /var/log/containers /var/lib/cni/results /run/containerd/s /var/lib/kubelet/device-plugins; do
    rmdir -p "$folder" 2>/dev/null || true
  done
  remove_cgroups
  if [ -e "$state/sysctls" ]; then
    mv "$state/sysctls" "$state/sysctls.before"
    restore_sysctls "$state/sysctls.before"
  fi
  rm -rf --one-file-system "$state"
}

unmount_below() { # folders
  local folder place
  for folder in "$@"; do
    # The names in this list are escaped; the last mounted goes first.
    while read -r place; do umount -l "$(printf %b "$place")" || true; done \
      < <(awk -v folder="$folder/" 'index($2, folder) == 1 {print $2}' /proc/self/mounts | tac)
  done
}

remove_cgroups() {
  local folder deadline=$((SECONDS + 10))
  for folder in $(cgroups); do
    while [ -d "$folder" ]; do
      find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ $SECONDS -lt $deadline ] || { say "a cgroup is still in use, and left: $folder"; break; }
      [ ! -d "$folder" ] || sleep 0.05
    done
  done
}
