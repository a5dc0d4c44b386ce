# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The long part node/dockerfile: the Dockerfile built for real (e2e/dockerfile), and what it built run on a node.

node_dockerfile_obstacle() {
  local lacking="" program
  for program in buildah mmdebstrap; do has "$program" || lacking+=" $program"; done
  if [ -n "$lacking" ]; then echo "it takes more (apt-get install --no-install-recommends$lacking)"
  else crds_rust_obstacle
  fi
}

node_dockerfile() {
  local images
  images=$(mktemp -d)
  CLUSTER_DIR=$(mktemp -d)
  export CLUSTER_DIR CLUSTER_NETNS=rs-test-$$
  # shellcheck disable=SC2064 # the name is needed now
  trap "e2e/cluster down; rm -rf '$images'" EXIT
  e2e/dockerfile "$images" # ends with an error if a second build does not use the layers of the first
  check "both targets are built, with layers that hold" test -s "$images/gateway.tar" -a -s "$images/operator.tar"
  e2e/cluster up full
  e2e/cluster load "$images/gateway.tar"
  e2e/cluster load "$images/operator.tar"
  check "the gateway's image runs, restricted" pod_says gateway "^route-switch [0-9]" --version
  check "the operator's image runs, restricted" pod_says operator "^route-switch-operator [0-9]" --version
  check "there is no shell in them" no_shell
}

# Runs a pod with the strictest settings to its end; whether it printed that.
pod_says() { # target, pattern, arguments
  local name=$1-once pattern=$2 target=$1 said; shift 2
  e2e/cluster run kubectl apply -f - <<P || return 1
apiVersion: v1
kind: Pod
metadata: {name: $name}
spec:
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: it
    image: registry.local/route-switch/$target:dockerfile
    imagePullPolicy: Never
    args: [$(printf '"%s", ' "$@")]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
P
  e2e/cluster run kubectl wait "pod/$name" --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s ||
    { e2e/cluster run kubectl describe "pod/$name"; return 1; }
  said=$(e2e/cluster run kubectl logs "$name")
  echo "$target: $said"
  grep -qE "$pattern" <<<"$said"
}

# That the program is found shows that the layers were looked into.
no_shell() {
  local archive layers files status=0
  for archive in "$images"/*.tar; do
    layers=$(mktemp -d)
    tar -xf "$archive" -C "$layers"
    files=$(find "$layers" -maxdepth 1 -type f -name '*.tar' -exec tar -tf {} \;)
    rm -rf "$layers"
    grep -q 'usr/local/bin/route-switch' <<<"$files" || { echo "there is no program in the layers of $archive"; status=1; }
    ! grep -E '(^|/)((ba|da|)sh|busybox)$' <<<"$files" || status=1
  done
  return $status
}
