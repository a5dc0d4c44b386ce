# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `node`: the chart in real pods, on a node that `e2e/cluster up full` makes (tests/node says what is shown).
#
# It takes what the other suites have: the Python with OpenAI's SDK, and Prometheus. The node runs what the distribution has of
# containerd, runc and plugins for its network; `e2e/cluster` builds the rest.

# What has to be installed for a node, as packages of Debian.
lacking_for_node() {
  local program
  for program in containerd runc nft pgrep strip git; do
    has "$program" && continue
    case $program in
      nft) echo nftables ;;
      pgrep) echo procps ;;
      strip) echo binutils ;;
      *) echo "$program" ;;
    esac
  done
  [ -x /usr/lib/cni/ptp ] || echo containernetworking-plugins
}

node_rust_obstacle() {
  local lacking reason
  lacking=$(PATH=$PATH:/usr/sbin:/sbin lacking_for_node | tr '\n' ' ')
  reason=$(crds_rust_obstacle)
  if [ -n "$reason" ]; then echo "$reason"
  elif [ -n "$lacking" ]; then echo "a node needs more (apt-get install --no-install-recommends ${lacking% })"
  elif ! python_works; then echo "there is no Python 3.10 or newer with venv (apt-get install python3 python3-venv)"
  elif [ -z "$(find_prometheus)" ] && ! { has apt-get && has dpkg-deb; }; then
    echo "there is no prometheus in PATH (https://prometheus.io/download)"
  elif [ -z "$named" ] && ! [ -x "$cache/k8s/kubelet" ]; then
    echo "a node's programs are not built yet (when named, they are: 12 minutes)"
  fi
}

node_rust() {
  local images
  # Before the namespace is entered: from there, no way leads to anything that is to be fetched.
  cargo test "${cargo_flags[@]}" --test node --no-run
  need_python
  [ -n "$(find_prometheus)" ] || make_once "$(prometheus_folder)" make_prometheus
  CLUSTER_DIR=$(mktemp -d)
  export CLUSTER_DIR CLUSTER_NETNS=rs-test-$$
  trap 'e2e/cluster down' EXIT
  e2e/cluster up full
  images=$(e2e/cluster images "$programs")
  ROUTE_SWITCH_IMAGES=$images ROUTE_SWITCH_PYTHON=$python/bin/python ROUTE_SWITCH_PROMETHEUS=$(find_prometheus)/prometheus \
    e2e/cluster run cargo test --offline "${cargo_flags[@]}" --no-fail-fast --test node
}
