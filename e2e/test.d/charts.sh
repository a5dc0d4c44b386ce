# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `charts`: what Helm makes of charts/, without a node. That it runs is the affair of the suite `node`.
#
# - e2e/charts/check.py renders with both helms, the programs of e2e/cluster, and compares objects.
# - checkov comes from PyPI, and judges every rendering; what is excused is excused by an annotation that says why.
# - A real API server takes every rendering, with the kinds of the Gateway API and of the Prometheus operator from their Go modules.

readonly KINDS_GO_MINOR=26             # the Go 1.x that the modules below are known to be fetched with

# Kinds that the chart only uses where a cluster has them.
readonly FOREIGN_KINDS=(
  "sigs.k8s.io/gateway-api@v1.4.1 config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
  "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"
  "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"
)

charts_python() { echo "$cache/python/charts-$({ python3 --version; cat "$root/e2e/charts/requirements.txt"; } | hash_of)"; }

make_checkov() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r e2e/charts/requirements.txt
}
need_checkov() {
  python=$(charts_python)
  make_once "$python" make_checkov
}
checkov_obstacle() {
  [ ! -e "$(charts_python)/.complete" ] || return 0
  if ! python_works; then echo "it takes Python 3.10 or newer with venv (apt-get install python3-venv)"
  elif [ -z "$named" ]; then echo "checkov is not there yet (when named, it is fetched from PyPI: a minute)"
  fi
}

first_line() { local said; read -r said < <("$@") || true; echo "${said:-}"; }

charts_helm_obstacle() { first_line charts_helm_obstacles; }
charts_helm_obstacles() { programs_obstacle helm helm3; checkov_obstacle; }
charts_helm() {
  need_checkov
  e2e/cluster build helm helm3
  HELM4=$cache/k8s/helm HELM3=$cache/k8s/helm3 "$python/bin/python" -B e2e/charts/check.py
}

# === checkov ===

charts_checkov_obstacle() { first_line charts_checkov_obstacles; }
charts_checkov_obstacles() { programs_obstacle helm; checkov_obstacle; }

charts_checkov() {
  local work values
  need_checkov
  e2e/cluster build helm
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # the name is needed now
  trap "rm -rf '$work'" EXIT
  for values in charts/route-switch/ci/*.yaml; do
    check "checkov finds nothing in $values" found_nothing "$work/$(basename "$values")" "$values"
  done
  check "checkov finds nothing in the Dockerfile" found_nothing_in_dockerfile "$work/dockerfile.json"
}

# A file that it cannot read has no finding either: so there must be what passed.
found_nothing_in_dockerfile() { # a file for the findings
  "$python/bin/checkov" --file Dockerfile --framework dockerfile --skip-download --output json >"$1" ||
    { "$python/bin/checkov" --file Dockerfile --framework dockerfile --skip-download --quiet --compact; return 1; }
  "$python/bin/python" -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["summary"]["passed"] < 50)' "$1"
}

# Nothing has failed, much has passed, and whatever was skipped says why.
found_nothing() { # file, values
  local options=(--framework kubernetes --skip-download)
  # Who switches the policies off cannot be told that there are none; for pods of a template, no annotation says so.
  if grep -q '^networkPolicy: {enabled: false}' "$2"; then options+=(--skip-check CKV2_K8S_6); fi
  rendered route-switch "$2" >"$1" || return 1
  "$python/bin/checkov" --file "$1" "${options[@]}" --output json >"$1.json" 2>"$1.log" ||
    { "$python/bin/checkov" --file "$1" "${options[@]}" --quiet --compact; cat "$1.log"; return 1; }
  "$python/bin/python" -c '
import json, sys
found = json.load(open(sys.argv[1]))["results"]
passed, skipped = len(found["passed_checks"]), found["skipped_checks"]
print(passed, "passed,", len(skipped), "excused")
sys.exit(passed < 100 or bool(found["failed_checks"]) or any(not check["check_result"].get("suppress_comment") for check in skipped))
' "$1.json"
}

# What the chart becomes with a file of values, in a cluster that has every kind.
rendered() { # namespace, values
  "$cache/k8s/helm" template route-switch charts/route-switch --namespace "$1" --values "$2" \
    --api-versions monitoring.coreos.com/v1/PodMonitor --api-versions monitoring.coreos.com/v1/PrometheusRule \
    --api-versions gateway.networking.k8s.io/v1/HTTPRoute
}

# === A real API server ===

charts_server_obstacle() { first_line charts_server_obstacles; }
charts_server_obstacles() {
  crds_rust_obstacle
  programs_obstacle helm
  (has_go $KINDS_GO_MINOR) || echo "it takes Go 1.$KINDS_GO_MINOR or newer, to fetch the kinds of others (https://go.dev/doc/install)"
}

# Where a Go module lies once it is fetched.
module_folder() { # module@version
  local work
  work=$(mktemp -d)
  (
    cd "$work"
    export GOMODCACHE=${GOMODCACHE:-$cache/go-mod} GOTOOLCHAIN=${GOTOOLCHAIN:-local} GOFLAGS="-mod=mod -modcacherw" GOWORK=off
    go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
  )
  rm -rf "$work"
}

charts_server() {
  local module path values
  has_go $KINDS_GO_MINOR
  e2e/cluster build helm control
  export CLUSTER_DIR=/tmp/route-switch-charts-$$ CLUSTER_NETNS=rs-charts-$$
  trap 'e2e/cluster down' EXIT
  e2e/cluster up control
  for values in "${FOREIGN_KINDS[@]}"; do
    read -r module path <<<"$values"
    e2e/cluster run kubectl apply --server-side -f "$(module_folder "$module")/$path"
  done
  e2e/cluster run kubectl create namespace team-a
  e2e/cluster run kubectl apply --server-side -f <("$cache/k8s/helm" template crds charts/route-switch-crds)
  e2e/cluster run kubectl wait --for=condition=Established --timeout=30s crds --all
  for values in charts/route-switch/ci/*.yaml; do taken "$(basename "$values" .yaml)" "$values"; done
}

# Applies a rendering in a namespace of its own, which enforces Pod Security's profile `restricted`.
taken() { # name, values
  local namespace=charts-$1 file=$logs/charts-$1.yaml
  rendered "$namespace" "$2" >"$file"
  e2e/cluster run kubectl create namespace "$namespace"
  e2e/cluster run kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted
  check "an API server takes $1 without a warning" without_warning e2e/cluster run kubectl apply --server-side --force-conflicts -f "$file"
  check "what it has then of $1 is what was rendered, as Argo CD looks at it" e2e/cluster run kubectl diff --server-side --force-conflicts -f "$file"
  e2e/cluster run kubectl delete namespace "$namespace" --wait=false
}

without_warning() {
  local said
  said=$("$@" 2>&1) || { echo "$said"; return 1; }
  ! grep -i warning <<<"$said"
}
