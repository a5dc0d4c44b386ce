# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The vendors' own SDKs, unmodified, against `simulate` itself and against `serve` in front of providers of either dialect:
#
#   simulate                  the simulator, without the gateway
#   openai, anthropic         serve in front of the simulator as one vendor's clients see it
#   to-openai, to-anthropic   a first target of the other dialect fails every request, so that this one answers
#   aimock, aimock-anthropic  serve in front of a mock of the vendors that is not ours
#
# The suite `gateway` has OpenAI's SDK and providers, the suite `dialects` all the rest. The tests know of the target what the
# environment says: the address and key under the names that each SDK reads itself, and ROUTE_SWITCH_TARGET, one of the above.
# They lie in sdk/python (requirements.txt, */test_*.py) and sdk/node (package.json with its lock, */*.test.mjs; the mock is one
# of its packages). sdk/manifests has what `serve` reads beside the Routes; @UPSTREAM@ in it becomes the address of what it
# stands before. sdk/aimock holds the answers of the mock.

# A target, and the SDKs that are tested on it.
readonly GATEWAY_TARGETS=("simulate openai" "openai openai" "aimock openai")
readonly DIALECTS_TARGETS=(
  "simulate anthropic"
  "openai anthropic"
  "anthropic openai anthropic"
  "to-openai openai anthropic"
  "to-anthropic openai anthropic"
  "aimock anthropic"
  "aimock-anthropic openai anthropic"
)
# The Routes, each called like the simulator's model behind it.
readonly SDK_MODELS=(
  sim-fast sim-tools sim-tools-2 sim-echo sim-reasoning sim-reasoning-tools sim-cached-2-written-3
  sim-429 sim-500 sim-529 sim-cut-3
)
readonly SDK_KEY=rs-e2e-sdk-key        # sdk/manifests has it in a Secret
readonly SDK_CREDENTIAL=sk-the-gateways-own
readonly NODE_NEEDED=20.15             # of the mock

# === What they need ===

python_works() { python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

# A distribution's Node may be too old; npm then fetches another one into the cache, for somebody who named this part.
has_node() {
  node_works || PATH=$cache/tools/node/bin:$PATH
  node_works
}
node_works() {
  has npm && has node && node -e '
    const [need, have] = [process.argv[1], process.versions.node].map((v) => v.split(".").map(Number));
    process.exit(have[0] > need[0] || (have[0] === need[0] && have[1] >= need[1]) ? 0 : 1)' "$NODE_NEEDED"
}
fetch_node() {
  local machine
  case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
    *) echo "there is no package of Node for $(uname -m)"; return 1 ;;
  esac
  npm install --global --prefix "$cache/tools/node" --no-audit --no-fund --loglevel error "node-linux-$machine@22"
}

gateway_node_obstacle() {
  if (has_node); then :
  elif ! has npm; then echo "it takes Node $NODE_NEEDED or newer and npm (apt-get install nodejs npm, or https://nodejs.org)"
  elif [ -z "$named" ]; then echo "it takes Node $NODE_NEEDED or newer (when named, it is fetched with npm)"
  fi
}
gateway_python_obstacle() {
  python_works || { echo "it takes Python 3.10 or newer with venv (apt-get install python3-venv)"; return; }
  gateway_node_obstacle                # for the mock
}

dialects_node_obstacle() { gateway_node_obstacle; }
dialects_python_obstacle() { gateway_python_obstacle; }

# Runs a command once for what a folder is named after: "folder" command. A folder whose making was cut short is made anew.
make_once() {
  local folder=$1; shift
  mkdir -p "$(dirname "$folder")"
  (
    flock 9
    [ ! -e "$folder/.complete" ] || exit 0
    rm -rf "$folder"
    "$@" "$folder" 9<&-
    touch "$folder/.complete"
  ) 9<"$(dirname "$folder")"
}

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

make_python() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r e2e/sdk/python/requirements.txt
}
need_python() {
  python=$cache/python/$({ python3 --version; cat e2e/sdk/python/requirements.txt; } | hash_of)
  make_once "$python" make_python
}

make_node() {
  mkdir -p "$1"
  cp e2e/sdk/node/package.json e2e/sdk/node/package-lock.json "$1"
  npm ci --prefix "$1" --no-audit --no-fund --loglevel error
}
need_node() {
  has_node || { fetch_node && hash -r; }
  node=$cache/node/$(hash_of e2e/sdk/node/package.json e2e/sdk/node/package-lock.json)
  make_once "$node" make_node
}

# === Programs under test ===

free_ports() { # how many; all are held until all are known, so that they differ
  node -e '
    const servers = Array.from({length: process.argv[1]}, () => require("net").createServer().listen(0, "127.0.0.1"));
    Promise.all(servers.map((s) => new Promise((ready) => s.once("listening", ready)))).then(() => {
      console.log(servers.map((s) => s.address().port).join(" "));
      servers.forEach((s) => s.close());
    });' "$1"
}

# Starts a program in the background; what it says goes to a log of its own beside that of the part.
start() { # name, command
  local name=$1; shift
  "$@" </dev/null >"$logs/$suite-$language-$target-$name.log" 2>&1 &
  started+=("$!")
}

stop_all() {
  local process
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  started=()
}

# The status line that a GET is answered with; nothing if nobody answers.
answer() { # port, path
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 0
  printf 'GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n' "$2" >&3
  local line=""; read -r -t 5 line <&3 || true
  exec 3<&-
  printf '%s' "$line"
}

await() { # name, port, path, what the status line must hold
  local deadline=$((SECONDS + 20))
  until [[ $(answer "$2" "$3") == *"$4"* ]]; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "${started[-1]}" 2>/dev/null; then
      echo "$1 does not answer; it said:"; tail -n 30 "$logs/$suite-$language-$target-$1.log"
      return 1
    fi
    sleep 0.1
  done
}

# A Route to the provider of this target; a first target that fails before it where the target's name says so. It is tried
# once each time: the circuit breaker, which would spare later requests the failure, is off.
route() { # its model, the model and the provider behind it
  cat <<ROUTE
---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: $1
spec:
  model: $1
  retry: {attempts: 0}
  circuitBreaker: {consecutiveFailures: 0, failurePercent: 0}
  targets:
ROUTE
  case $target in
    to-openai) printf '    - {name: failing, providerRef: {name: anthropic}, model: sim-503}\n' ;;
    to-anthropic) printf '    - {name: failing, providerRef: {name: openai}, model: sim-503}\n' ;;
  esac
  printf '    - {name: answering, providerRef: {name: %s}, model: %s, weight: %d}\n' \
    "$3" "$2" "$([[ $target == to-* ]] && echo 0 || echo 1)"
}

routes() {
  local model behind provider=openai
  [[ $target == *anthropic ]] && provider=anthropic
  for model in "${SDK_MODELS[@]}"; do
    behind=$model
    case $target-$model in
      aimock*-sim-429 | aimock*-sim-500) behind=mock-${model#sim-} ;;
      aimock-anthropic-*) behind=mock-claude ;;
      aimock-*) behind=mock-chat ;;
    esac
    # A key that gets 429 is left alone for a while: that one is of another Provider.
    [[ $model != sim-429 ]] || provider+=-limited
    route "$model" "$behind" "$provider"
    provider=${provider%-limited}
  done
  route sim-down any down
}

write_manifests() { # folder, address of what serve stands before
  local providers=("$target.yaml")
  [[ $target != to-* ]] || providers=(openai.yaml anthropic.yaml)
  mkdir "$1"
  cp e2e/sdk/manifests/keys.yaml "${providers[@]/#/e2e/sdk/manifests/}" "$1"
  local provider
  for provider in "${providers[@]}"; do sed 's/^  name: .*/&-limited/' "$1/$provider" >"$1/limited-$provider"; done
  routes >"$1/routes.yaml"
  sed -i "s|@UPSTREAM@|$2|g" "$1"/*
}

start_serve() { # address of what it stands before
  local manifests=$work/manifests-$target
  write_manifests "$manifests" "$1" || return 1
  start serve "$programs/route-switch" serve --manifests "$manifests" --data "$work/data-$target" \
    --listen "127.0.0.1:$serve_port" --admin "127.0.0.1:$admin_port" --simulator "$1"
  await serve "$admin_port" /readyz " 200 "
}

# It wants the key that its clients have: the tests, or the gateway's own.
start_simulate() {
  local key=$SDK_CREDENTIAL
  [ "$target" != simulate ] || key=$SDK_KEY
  start simulate "$programs/route-switch" simulate --listen "127.0.0.1:$upstream_port" --seed 1 --api-key "$key"
  await simulate "$upstream_port" /v1/models "HTTP/"
}

start_aimock() {
  start aimock node "$work/node/aimock.mjs" "$upstream_port" "$PWD/e2e/sdk/aimock"
  await aimock "$upstream_port" /v1/models "HTTP/"
}

# Sets `port` to the one that the tests talk to. Fails if a program does not come up.
start_target() {
  local upstream_port serve_port admin_port
  read -r upstream_port serve_port admin_port <<<"$(free_ports 3)"
  port=$serve_port
  case $target in
    simulate) port=$upstream_port; start_simulate ;;
    aimock*) start_aimock && start_serve "http://127.0.0.1:$upstream_port" ;;
    *) start_simulate && start_serve "http://127.0.0.1:$upstream_port" ;;
  esac
}

# === The suites ===

# The tests of these SDKs.
run_python() ( cd e2e/sdk/python && "$python/bin/python" -B -m pytest -p no:cacheprovider -ra "${@/%/_sdk}" )

run_node() (
  cd "$work/node" || return
  local sdk files=()
  for sdk in "$@"; do files+=("$sdk"-sdk/*.test.mjs); done
  node --test --test-reporter=spec "${files[@]}"
)

# What runs in Node is copied: it looks for packages beside the file that asks for them.
copy_node_sources() {
  cp -r e2e/sdk/node "$work/node"
  ln -sfn "$node/node_modules" "$work/node/node_modules"
}

# Each target is tested, whatever became of the one before.
run_on_targets() { # suite, python or node, targets with their SDKs
  local suite=$1 language=$2 line words target port status=0
  shift 2
  work=$(mktemp -d) started=()
  trap 'stop_all; rm -rf "$work"' EXIT
  copy_node_sources
  unset ANTHROPIC_AUTH_TOKEN ANTHROPIC_CUSTOM_HEADERS
  for line in "$@"; do
    read -ra words <<<"$line"
    target=${words[0]}
    echo "== $language on $line"
    if start_target; then
      OPENAI_BASE_URL=http://127.0.0.1:$port/v1 OPENAI_API_KEY=$SDK_KEY \
        ANTHROPIC_BASE_URL=http://127.0.0.1:$port ANTHROPIC_API_KEY=$SDK_KEY \
        ROUTE_SWITCH_TARGET=$target "run_$language" "${words[@]:1}" || status=1
    else
      echo "check: $language on $target starts: failed"
    fi
    stop_all
  done
  return $status
}

gateway_python() { need_node; need_python; run_on_targets gateway python "${GATEWAY_TARGETS[@]}"; }
gateway_node() { need_node; run_on_targets gateway node "${GATEWAY_TARGETS[@]}"; }
dialects_python() { need_node; need_python; run_on_targets dialects python "${DIALECTS_TARGETS[@]}"; }
dialects_node() { need_node; run_on_targets dialects node "${DIALECTS_TARGETS[@]}"; }
