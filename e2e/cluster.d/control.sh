# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # sourced by e2e/cluster, which sets what is not set here and reads what is
# The control plane: etcd, API server, controllers and, with a node, the scheduler.

make_namespace() {
  [ ! -e "/run/netns/$netns" ] ||
    die "the network namespace $netns is there and not this cluster's; set CLUSTER_NETNS (or, if nobody uses it: ip netns del $netns)"
  ip netns add "$netns" && netns_made=yes
  ip -n "$netns" link set dev lo alias "$dir" up
  ip -n "$netns" address add "$ADDRESS/32" dev lo
}

start_etcd() {
  start etcd --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
}

start_apiserver() {
  local node=()
  # By address: the name of the node does not resolve.
  [ "$level" != full ] || node=(--kubelet-client-certificate=pki/apiserver-kubelet.crt --kubelet-client-key=pki/apiserver-kubelet.key
    --kubelet-certificate-authority=pki/ca.crt --kubelet-preferred-address-types=InternalIP)
  cat >"$dir/audit.yaml" <<A
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
A
  start kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --secure-port=6443 --bind-address=0.0.0.0 --advertise-address="$ADDRESS" --service-cluster-ip-range="$SERVICES" \
    --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=pki/sa.pub \
    --service-account-signing-key-file=pki/sa.key \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --audit-log-path=log/audit.log --audit-policy-file=audit.yaml "${node[@]}"
}

start_controller_manager() {
  # No leader election: there is one. More requests a second than in production: tests wait for namespaces to vanish.
  start kube-controller-manager --kubeconfig=pki/controller-manager.kubeconfig --leader-elect=false \
    --use-service-account-credentials --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt \
    --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key \
    --kube-api-qps=200 --kube-api-burst=400
}

start_scheduler() { start kube-scheduler --kubeconfig=pki/kube-scheduler.kubeconfig --leader-elect=false; }

# shellcheck disable=SC2317 # these are given to `await` by name
is_ready() { admin get --raw /readyz; }
# With patience: a cluster that others work in must not be taken for broken because the machine is busy.
is_still_ready() {
  local _
  all_alive "${CONTROL_DAEMONS[@]}" || return 1
  for _ in 1 2 3 4; do is_ready >/dev/null 2>&1 && return; sleep 0.5; done
  return 1
}
# shellcheck disable=SC2317
# Its first work that a user sees: with these two, pods may be created in the namespace.
controllers_work() { admin get serviceaccount/default configmap/kube-root-ca.crt; }

# For tests of what goes on without an API server. The other daemons bear it.
api() {
  is_marked || die "no cluster is up in $dir; first: $0 up control"
  case ${1:-} in
    stop)
      daemon kube-apiserver >/dev/null || die "the API server is not running"
      kill_daemons kube-apiserver
      ;;
    start)
      ! daemon kube-apiserver >/dev/null || die "the API server is running"
      cd "$dir"
      umask 077
      start_apiserver
      await kube-apiserver "readiness" is_ready
      ;;
    *) misuse "api what? There is: api stop, api start" ;;
  esac
}
