# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suites that are Rust tests. They are always compiled for the whole workspace and narrowed by target, never by
# package: another set of packages has another set of features, and would compile the dependencies again.

# The names of the integration tests of these crates (e2e's are suites of their own).
integration_tests() {
  local path
  for path in "$@"; do
    case $path in
      */tests/*/main.rs) basename "$(dirname "$path")" ;;
      *) basename "$path" .rs ;;
    esac
  done
}

unit_rust_obstacle() { :; }
unit_rust() {
  local targets=(--lib --bins) name status=0
  shopt -s nullglob
  for name in $(integration_tests {crds,gateway,operator}/tests/{*.rs,*/main.rs}); do targets+=(--test "$name"); done
  cargo test "${cargo_flags[@]}" --no-fail-fast "${targets[@]}" || status=$?
  cargo test "${cargo_flags[@]}" --no-fail-fast --doc || status=$?
  return $status
}

gateway_rust_obstacle() { :; }
gateway_rust() { cargo test "${cargo_flags[@]}" --no-fail-fast --test gateway; }

faults_rust_obstacle() { :; }
faults_rust() {
  local status=0
  cargo test "${cargo_flags[@]}" --no-fail-fast --test faults || status=$?
  note "the table of faults is in ${CARGO_TARGET_DIR:-target}/tmp/faults.md"
  return $status
}

dialects_rust_obstacle() { :; }
dialects_rust() { cargo test "${cargo_flags[@]}" --no-fail-fast --test dialects; }

stores_rust_obstacle() { :; }
stores_rust() { cargo test "${cargo_flags[@]}" --no-fail-fast --test stores -- --skip mounted::; }

stores_disk_obstacle() {
  local probe
  if [ "$EUID" != 0 ]; then echo "mounting a file system takes root (sudo -E)"; return; fi
  probe=$(mktemp -d)
  if mount -t tmpfs -o size=64k tmpfs "$probe" 2>/dev/null; then umount "$probe"
  else echo "this machine does not allow mounts (mount -t tmpfs)"; fi
  rmdir "$probe"
}
stores_disk() { cargo test "${cargo_flags[@]}" --no-fail-fast --test stores -- mounted::; }

# === In a real API server ===

crds_rust_obstacle() {
  local probe=rs-probe-$$
  if [ "$EUID" != 0 ]; then echo "a network namespace takes root (sudo -E)"
  elif ! has ip || ! has openssl; then echo "something is missing (apt-get install iproute2 openssl)"
  elif ! ip netns add "$probe" 2>/dev/null; then echo "this machine does not allow network namespaces (ip netns add)"
  else
    ip netns del "$probe"
    [ -x "$cache/k8s/kube-apiserver" ] || PATH=$PATH:/usr/local/go/bin has go ||
      echo "there is neither a kube-apiserver in $cache/k8s nor Go to build it ($root/e2e/cluster --help)"
  fi
}

# A test in a cluster of its own, beside whatever else is up.
in_cluster() { # name of the test
  # Before the namespace is entered: from there, no way leads to the crates.
  cargo test "${cargo_flags[@]}" --test "$1" --no-run
  CLUSTER_DIR=$(mktemp -d)
  export CLUSTER_DIR CLUSTER_NETNS=rs-test-$$
  trap 'e2e/cluster down' EXIT
  e2e/cluster up control
  ROUTE_SWITCH_CLUSTER=$CLUSTER_DIR e2e/cluster run \
    cargo test --offline "${cargo_flags[@]}" --no-fail-fast --test "$1"
}

crds_rust() { in_cluster crds; }

operator_rust_obstacle() { crds_rust_obstacle; }
operator_rust() { in_cluster operator; }

operator_long_obstacle() { crds_rust_obstacle; }
operator_long() {
  export ROUTE_SWITCH_LONG=yes
  in_cluster operator
}
