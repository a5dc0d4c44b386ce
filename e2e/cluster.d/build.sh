# shellcheck shell=bash disable=SC2154,SC2164 # `bin` and `cache` are the caller's, as is `set -e`
# Builds the programs of e2e/cluster from their Go modules. Sourced by it; `bin`, `cache`, `say` and `die` are its own.
# Official binaries of the same versions serve as well: what stands in `bin` is left alone.

readonly KUBERNETES=1.34.4 ETCD=3.6.16
readonly GO_MINOR=26                   # the least Go 1.x that these are known to build with
readonly PROGRAMS=(etcd kube-apiserver kube-controller-manager kubectl)

# The staging modules of Kubernetes, which its go.mod requires at v0.0.0 and which therefore need a `replace` each.
readonly STAGING=(
  api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap
  code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib
  dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy
  kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin
  sample-controller
)

missing_programs() {
  local program
  for program in "${PROGRAMS[@]}"; do [ -x "$bin/$program" ] || echo "$program"; done
}

version_of() {
  case $1 in
    etcd) "$bin/etcd" --version | sed -n 's/^etcd Version: //p' ;;
    kubectl) "$bin/kubectl" version --client | sed -n 's/^Client Version: v//p' ;;
    *) "$bin/$1" --version | sed -n 's/^Kubernetes v//p' ;;
  esac
}

need_go() {
  # The official installer's place is not in everybody's PATH.
  command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
  local version=none minor=0
  if command -v go >/dev/null; then
    version=$(go env GOVERSION)
    [[ $version =~ go1\.([0-9]+) ]] && minor=${BASH_REMATCH[1]}
  fi
  [ "$minor" -ge $GO_MINOR ] && return
  say "to build $* it takes Go 1.$GO_MINOR or newer in PATH (found: $version): https://go.dev/doc/install"
  say "or put the official binaries into $bin, executable:"
  say "  etcd of etcd $ETCD: https://github.com/etcd-io/etcd/releases"
  die "  the kube programs of Kubernetes $KUBERNETES: https://kubernetes.io/releases/download/"
}

build() {
  local missing
  mkdir -p "$bin"
  # Two builds at once would do the work twice; the second one waits and finds it done.
  exec 8<"$bin"
  flock -n 8 || { say "waiting for another build"; flock 8; }
  rm -rf "$bin"/.build.*               # of a build that was killed; none is running, we hold the lock
  mapfile -t missing < <(missing_programs)
  if [ ${#missing[@]} != 0 ]; then
    need_go "${missing[@]}"
    # A subshell, for its settings and its trap are the build's alone.
    ( build_programs "${missing[@]}" )
  fi
  exec 8<&-
}

build_programs() {
  local stage program kube=()
  stage=$(mktemp -d "$bin/.build.XXXXXX")
  # shellcheck disable=SC2064 # the directory's name is needed now: the local is gone when the trap runs
  trap "rm -rf '$stage'" EXIT
  trap 'exit 130' INT; trap 'exit 143' TERM HUP
  # What the caller may have set for builds of its own is not for this one; -modcacherw lets `rm -rf` clear the cache.
  unset GOOS GOARCH GOEXPERIMENT GOBIN
  export GOCACHE=${GOCACHE:-$cache/go-build} GOMODCACHE=${GOMODCACHE:-$cache/go-mod} GOTOOLCHAIN=${GOTOOLCHAIN:-local}
  export CGO_ENABLED=0 GOWORK=off GOFLAGS="-mod=mod -modcacherw -trimpath -buildvcs=false"
  mkdir "$stage/bin"
  for program in "$@"; do
    case $program in
      etcd) build_etcd "$stage" ;;
      *) kube+=("$program") ;;
    esac
  done
  [ ${#kube[@]} = 0 ] || build_kubernetes "$stage" "${kube[@]}"
}

# Into its place only when whole: a rename cannot be interrupted half-way.
put_in_place() { mv -f "$1"/bin/* "$bin/"; }

build_etcd() {
  local stage=$1
  say "building etcd $ETCD (about half a minute on two cores)"
  # A module apart from Kubernetes': in one, etcd's version would move the etcd client that Kubernetes was tested with.
  mkdir "$stage/etcd"; cd "$stage/etcd"
  printf 'module cluster\n\ngo 1.25.0\n\nrequire go.etcd.io/etcd/server/v3 v%s\n' "$ETCD" >go.mod
  go build -ldflags "-s -w" -o "$stage/bin/etcd" go.etcd.io/etcd/server/v3
  put_in_place "$stage"
}

build_kubernetes() {
  local stage=$1 module minor stamp=k8s.io/component-base/version; shift
  say "building $* $KUBERNETES (about 6 minutes on two cores)"
  minor=${KUBERNETES#1.}; minor=${minor%%.*}
  mkdir "$stage/kubernetes"; cd "$stage/kubernetes"
  {
    printf 'module cluster\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES"
    for module in "${STAGING[@]}"; do printf '\tk8s.io/%s => k8s.io/%s v0.%s\n' "$module" "$module" "${KUBERNETES#1.}"; done
    echo ')'
  } >go.mod
  # Without the stamp, the server calls itself v0.0.0 and a chart's `kubeVersion` refuses it.
  go build -o "$stage/bin/" -ldflags "-s -w -X $stamp.gitVersion=v$KUBERNETES -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor" \
    "${@/#/k8s.io/kubernetes/cmd/}"
  put_in_place "$stage"
}

report_programs() {
  local program version wanted
  for program in "${PROGRAMS[@]}"; do
    version=$(version_of "$program")
    wanted=$KUBERNETES; [ "$program" != etcd ] || wanted=$ETCD
    echo "$bin/$program $version"
    [ "$version" = "$wanted" ] || say "$program is not $wanted; to have that, remove $bin/$program and build again"
  done
}
