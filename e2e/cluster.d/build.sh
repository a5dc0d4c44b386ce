# shellcheck shell=bash disable=SC2154,SC2164 # `bin` and `cache` are the caller's, as is `set -e`
# Builds the programs of e2e/cluster from their Go modules. Sourced by it; `bin`, `cache`, `say`, `die` and `misuse` are its own.
# Official binaries of the same versions serve as well: what stands in `bin` is left alone.

# kubelet 1.35 refuses version 1 of cgroups unless told otherwise, and 1.36 the containerd of Debian 12.
readonly KUBERNETES=1.34.4 ETCD=3.6.16 COREDNS=1.12.4 HELM=4.3.1 HELM3=3.22.0
readonly GO_MINOR=26                   # the least Go 1.x that these are known to build with
# What each level of `up` needs; helm only for who runs it.
readonly CONTROL_PROGRAMS=(etcd kube-apiserver kube-controller-manager kubectl)
readonly FULL_PROGRAMS=("${CONTROL_PROGRAMS[@]}" kube-scheduler kubelet kube-proxy coredns helm helm3)

# The staging modules of Kubernetes, which its go.mod requires at v0.0.0 and which therefore need a `replace` each.
readonly STAGING=(
  api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap
  code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib
  dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy
  kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin
  sample-controller
)

# The names behind the arguments of `build`: programs, and the two levels.
programs_of() {
  local name
  for name in "$@"; do
    case $name in
      control) printf '%s\n' "${CONTROL_PROGRAMS[@]}" ;;
      full) printf '%s\n' "${FULL_PROGRAMS[@]}" ;;
      *)
        [[ " ${FULL_PROGRAMS[*]} " == *" $name "* ]] || misuse "no such program: $name; there are control, full, ${FULL_PROGRAMS[*]}"
        echo "$name"
        ;;
    esac
  done
}

missing_programs() { # programs
  local program
  for program in "$@"; do [ -x "$bin/$program" ] || echo "$program"; done
}

version_of() {
  case $1 in
    etcd) "$bin/etcd" --version | sed -n 's/^etcd Version: //p' ;;
    kubectl) "$bin/kubectl" version --client | sed -n 's/^Client Version: v//p' ;;
    coredns) "$bin/coredns" -version | sed -n 's/^CoreDNS-//p' ;;
    helm | helm3) "$bin/$1" version --template '{{.Version}}' | sed 's/^v//'; echo ;;
    *) "$bin/$1" --version | sed -n 's/^Kubernetes v//p' ;;
  esac
}

wanted_version() {
  case $1 in
    etcd) echo "$ETCD" ;;
    coredns) echo "$COREDNS" ;;
    helm) echo "$HELM" ;;
    helm3) echo "$HELM3" ;;
    *) echo "$KUBERNETES" ;;
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
  say "  coredns of CoreDNS $COREDNS: https://github.com/coredns/coredns/releases"
  say "  helm of Helm $HELM, and helm3, which is the helm of Helm $HELM3: https://github.com/helm/helm/releases"
  die "  the kube programs of Kubernetes $KUBERNETES: https://kubernetes.io/releases/download/"
}

build() { # programs
  local missing
  mkdir -p "$bin"
  # Two builds at once would do the work twice; the second one waits and finds it done.
  exec 8<"$bin"
  flock -n 8 || { say "waiting for another build"; flock 8; }
  rm -rf "$bin"/.build.*               # of a build that was killed; none is running, we hold the lock
  mapfile -t missing < <(missing_programs "$@")
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
      coredns) build_coredns "$stage" ;;
      helm) build_helm "$stage" helm "$HELM" ;;
      helm3) build_helm "$stage" helm3 "$HELM3" ;;
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

# With the few plugins that a node needs: with all of them it takes four times as long.
build_coredns() {
  local stage=$1
  say "building coredns $COREDNS (about a minute on two cores)"
  mkdir "$stage/coredns"; cd "$stage/coredns"
  printf 'module cluster\n\ngo 1.25.0\n\nrequire github.com/coredns/coredns v%s\n' "$COREDNS" >go.mod
  cat >main.go <<'G'
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func init() { dnsserver.Directives = []string{"bind", "errors", "ready", "kubernetes"} }

func main() { coremain.Run() }
G
  go build -ldflags "-s -w" -o "$stage/bin/coredns" .
  put_in_place "$stage"
}

build_helm() { # stage, name of the program, version
  local stage=$1 name=$2 version=$3 package=helm.sh/helm/v${3%%.*} minor folder stamps
  say "building $name $version (about two minutes on two cores)"
  mkdir "$stage/$name"; cd "$stage/$name"
  printf 'module cluster\n\ngo 1.25.0\n\nrequire %s v%s\n' "$package" "$version" >go.mod
  # Without the stamps, Helm 3 takes every cluster that it does not ask for 1.20, and a chart's `kubeVersion` refuses that.
  minor=$(go list -m -f '{{.Version}}' k8s.io/client-go | cut -d. -f2)
  stamps="-X $package/internal/version.version=v$version"
  for folder in chartutil lint/rules; do
    stamps+=" -X $package/pkg/$folder.k8sVersionMajor=1 -X $package/pkg/$folder.k8sVersionMinor=$minor"
  done
  go build -ldflags "-s -w $stamps" -o "$stage/bin/$name" "$package/cmd/helm"
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

report_programs() { # programs
  local program version wanted
  for program in "$@"; do
    version=$(version_of "$program") wanted=$(wanted_version "$program")
    echo "$bin/$program $version"
    [ "$version" = "$wanted" ] || say "$program is not $wanted; to have that, remove $bin/$program and build again"
  done
}
