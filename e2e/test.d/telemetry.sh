# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `telemetry`: a real OpenTelemetry Collector and a real Prometheus take what a gateway tells of itself.
#
# The collector is built from the Go modules of the OpenTelemetry project (e2e/collector says of which parts). Prometheus and
# promtool are those in PATH, or Debian's package unpacked into the cache: installed, it would start a service of its own.

readonly COLLECTOR_GO_MINOR=25         # the least Go 1.x that go.mod of the collector's modules asks for

collector_folder() { echo "$cache/tools/collector-$(cat e2e/collector/main.go e2e/collector/go.mod | sha256sum | cut -c1-16)"; }
collector_is_there() { [ -e "$(collector_folder)/.complete" ]; }

# Go in PATH, of at least this minor version.
has_go() { # minor
  has go || PATH=$PATH:/usr/local/go/bin
  has go && [[ $(go env GOVERSION) =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$1" ]
}

# Builds the program of e2e/NAME into a folder, under that name.
make_go_program() { # name, folder
  mkdir -p "$2"
  cp "e2e/$1/main.go" "e2e/$1/go.mod" "$2"
  (
    cd "$2"
    unset GOOS GOARCH GOEXPERIMENT GOBIN
    export GOCACHE=${GOCACHE:-$cache/go-build} GOMODCACHE=${GOMODCACHE:-$cache/go-mod} GOTOOLCHAIN=${GOTOOLCHAIN:-local}
    export CGO_ENABLED=0 GOWORK=off GOFLAGS="-mod=mod -modcacherw -trimpath -buildvcs=false"
    go build -o "$1" .
  )
}

make_collector() { make_go_program collector "$1"; }

prometheus_folder() { echo "$cache/tools/prometheus"; }

# The folder of prometheus and promtool; nothing if there is none yet.
find_prometheus() {
  if has prometheus && has promtool; then dirname "$(command -v prometheus)"
  elif [ -e "$(prometheus_folder)/.complete" ]; then echo "$(prometheus_folder)/usr/bin"
  fi
}

make_prometheus() { # folder
  mkdir -p "$1"
  (
    cd "$1"
    apt-get download prometheus || { apt-get -q update && apt-get download prometheus; }
    dpkg-deb --extract prometheus_*.deb .
    rm prometheus_*.deb
  )
}

telemetry_rust_obstacle() {
  if ! (cd "$root" && collector_is_there); then
    (has_go $COLLECTOR_GO_MINOR) || { echo "it takes Go 1.$COLLECTOR_GO_MINOR or newer to build an OpenTelemetry Collector (https://go.dev/doc/install)"; return; }
    [ -n "$named" ] || { echo "the OpenTelemetry Collector is not built yet (when named, it is: minutes)"; return; }
  fi
  telemetry_rules_obstacle
}

telemetry_rules_obstacle() {
  has python3 || { echo "there is no python3 (apt-get install python3)"; return; }
  if [ -z "$(find_prometheus)" ]; then
    if ! has apt-get || ! has dpkg-deb; then echo "there is no prometheus and no promtool in PATH (https://prometheus.io/download)"
    elif [ -z "$named" ]; then echo "there is no prometheus (when named, Debian's package is fetched into the cache)"
    fi
  fi
}

telemetry_rules() {
  local promtool alert
  [ -n "$(find_prometheus)" ] || make_once "$(prometheus_folder)" make_prometheus
  promtool=$(find_prometheus)/promtool
  check "the dashboards are what their source says (deploy/grafana/generate)" deploy/grafana/generate --check
  check "the sample configuration and the rules are well formed" sample_is_well_formed "$promtool"
  check "alerts fire for what is amiss, and not for what is not" "$promtool" test rules deploy/prometheus/rules_test.yaml
  while read -r alert; do
    check "$alert is expected to fire in a test, and has a runbook" is_shown "$alert"
  done < <(sed -n 's/^ *- alert: //p' deploy/prometheus/rules.yaml)
}

sample_is_well_formed() { # promtool
  local directory status
  directory=$(mktemp -d)
  e2e/test.d/scraping "$directory" <<<'{"items": []}' && "$1" check config "$directory/prometheus.yml"
  status=$?
  rm -r "$directory"
  return $status
}

# Whether a test of rules_test.yaml expects the alert to fire, and the alert says what to do.
is_shown() { # alert
  awk -v alert="\"$1\"" '
    index($0, "alertname=" alert) && /alertstate="firing"/ && !/exp_samples: \[\]/ { found = 1 }
    END { exit !found }
  ' deploy/prometheus/rules_test.yaml &&
    awk -v alert="$1" '$1 == "-" && $2 == "alert:" { inside = $3 == alert } inside && $1 == "description:" { found = 1 } END { exit !found }' \
      deploy/prometheus/rules.yaml
}

telemetry_rust() {
  local collector prometheus
  collector=$(collector_folder)
  collector_is_there || { has_go $COLLECTOR_GO_MINOR; make_once "$collector" make_collector; }
  [ -n "$(find_prometheus)" ] || make_once "$(prometheus_folder)" make_prometheus
  prometheus=$(find_prometheus)
  ROUTE_SWITCH_COLLECTOR=$collector/collector ROUTE_SWITCH_PROMETHEUS=$prometheus/prometheus \
    ROUTE_SWITCH_PROMTOOL=$prometheus/promtool cargo test "${cargo_flags[@]}" --no-fail-fast --test telemetry
}
