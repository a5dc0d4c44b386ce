# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The vendors' own SDKs, unmodified, against three targets: `simulate` itself, `serve` in front of it, and `serve` in front
# of a mock of the vendors that is not ours. The tests know of the target what the environment says:
#
#   OPENAI_BASE_URL, OPENAI_API_KEY   as the SDKs read them themselves
#   ROUTE_SWITCH_TARGET               simulate, serve or aimock
#
# They lie in sdk/python (requirements.txt, test_*.py) and sdk/node (package.json with its lock, *.test.mjs; the mock is one
# of its packages). sdk/manifests/TARGET is what `serve` reads; @UPSTREAM@ in it becomes the address of what it stands
# before. sdk/aimock holds the answers of the mock.

readonly SDK_TARGETS=(simulate serve aimock)
readonly SDK_KEY=rs-e2e-sdk-key        # sdk/manifests has it in a Secret
readonly NODE_NEEDED=20.15             # of the mock

# === What they need ===

python_works() { python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

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
  python_works || { echo "it takes Python 3.9 or newer with venv (apt-get install python3-venv)"; return; }
  gateway_node_obstacle                # for the mock
}

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
  "$@" </dev/null >"$logs/gateway-$sdk-$target-$name.log" 2>&1 &
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
      echo "$1 does not answer; it said:"; tail -n 30 "$logs/gateway-$sdk-$target-$1.log"
      return 1
    fi
    sleep 0.1
  done
}

start_serve() { # address of what it stands before
  local manifests=$work/manifests-$target
  cp -r "e2e/sdk/manifests/$target" "$manifests" &&
    find "$manifests" -type f -exec sed -i "s|@UPSTREAM@|$1|g" {} + || return 1
  start serve "$programs/route-switch" serve --manifests "$manifests" --data "$work/data-$target" \
    --listen "127.0.0.1:$serve_port" --admin "127.0.0.1:$admin_port" --simulator "$1"
  await serve "$admin_port" /readyz " 200 "
}

start_simulate() {
  local key=(--api-key "$SDK_KEY")
  # Behind serve, the simulator takes the credential that the manifests name.
  [ "$target" = simulate ] || key=()
  start simulate "$programs/route-switch" simulate --listen "127.0.0.1:$upstream_port" --seed 1 "${key[@]}"
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
    aimock) start_aimock && start_serve "http://127.0.0.1:$upstream_port" ;;
    serve) start_simulate && start_serve "http://127.0.0.1:$upstream_port" ;;
    simulate) port=$upstream_port; start_simulate ;;
  esac
}

# === The suites ===

run_python() ( cd e2e/sdk/python && "$python/bin/python" -B -m pytest -p no:cacheprovider -ra . )

run_node() ( cd "$work/node" && node --test --test-reporter=spec )

# What runs in Node is copied: it looks for packages beside the file that asks for them.
copy_node_sources() {
  cp -r e2e/sdk/node "$work/node"
  ln -sfn "$node/node_modules" "$work/node/node_modules"
}

# Each target is tested, whatever became of the one before.
run_on_targets() { # python or node
  local sdk=$1 target port status=0
  work=$(mktemp -d) started=()
  trap 'stop_all; rm -rf "$work"' EXIT
  copy_node_sources
  for target in "${SDK_TARGETS[@]}"; do
    echo "== $sdk on $target"
    if start_target; then
      OPENAI_BASE_URL=http://127.0.0.1:$port/v1 OPENAI_API_KEY=$SDK_KEY ROUTE_SWITCH_TARGET=$target \
        "run_$sdk" || status=1
    else
      echo "check: $sdk on $target starts: failed"
    fi
    stop_all
  done
  return $status
}

gateway_python() { need_node; need_python; run_on_targets python; }
gateway_node() { need_node; run_on_targets node; }
