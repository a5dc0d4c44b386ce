# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `lint`: what can be told from the text alone.

readonly DENY_VERSION=0.20.2
# What may stand at the top level, beside dotfiles and cargo's `target`.
readonly TOP_LEVEL="Cargo.lock Cargo.toml Dockerfile LICENSE README.md charts crds deploy e2e gateway operator"

lint_format_obstacle() {
  cargo fmt --version >/dev/null 2>&1 || echo "there is no rustfmt (rustup component add rustfmt)"
}
lint_format() { check "every file is formatted (cargo fmt)" cargo fmt --all -- --check --color never; }

lint_clippy_obstacle() {
  cargo clippy --version >/dev/null 2>&1 || echo "there is no clippy (rustup component add clippy)"
}
lint_clippy() {
  check "clippy has nothing to say" cargo clippy "${cargo_flags[@]}" --all-targets -- -D warnings
}

lint_crds_obstacle() { :; }
lint_crds() {
  check "deploy/crds is what crdgen writes (just generate)" "$programs/crdgen" --check deploy/crds
}

# Only with the Helm of e2e/cluster: another version gives other bytes.
lint_render_obstacle() { programs_obstacle helm; }
lint_render() {
  e2e/cluster build helm
  check "generated files are what deploy/render writes" deploy/render --check
}

# === cargo-deny ===

deny_is_there() { [ "$("$cache/tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $DENY_VERSION" ]; }
deny() { # what
  "$cache/tools/bin/cargo-deny" --locked --workspace --color never --config .deny.toml check --hide-inclusion-graph "$1"
}

# Compiling it takes minutes: for somebody who named this part, or has it.
lint_deny_obstacle() {
  [ -n "$named" ] || deny_is_there || echo "cargo-deny $DENY_VERSION is not built yet (when named, it is: minutes)"
}
install_deny() {
  ( flock 9; deny_is_there || cargo install --locked --root "$cache/tools" "cargo-deny@$DENY_VERSION" 9<&- ) 9<"$cache"
}
lint_deny() {
  local what
  install_deny
  for what in bans licenses sources; do
    check "cargo-deny: $what" deny "$what"
  done
  if advisories_are_reachable; then
    check "cargo-deny: advisories" deny advisories
  else
    note "advisories were not checked: their database (github.com/RustSec/advisory-db) is out of reach from here"
  fi
}
advisories_are_reachable() {
  has curl && curl --connect-timeout 5 --max-time 20 -fsSLo /dev/null https://github.com/RustSec/advisory-db 2>/dev/null
}

# === Scripts ===

lint_shell_obstacle() { has shellcheck || echo "there is no shellcheck (apt-get install shellcheck)"; }
lint_shell() {
  local script
  while read -r script; do
    check "shellcheck: $script" shellcheck -x "$script"
  done < <(find deploy e2e .ci -type f -not -path '*/node_modules/*' -exec awk '
    FNR == 1 && /^#!.*bash|shellcheck shell=bash/ { print FILENAME } { nextfile }' {} +)
}

# === The tree ===

lint_tree_obstacle() { :; }
lint_tree() {
  check "no Rust file is longer than 500 lines" no_long_file
  check "nothing else stands at the top level" no_foreign_name
  check "nothing but http, cli and main names the module http" nothing_names_http
  check "the gateway is built without a Kubernetes client" no_kube_client
  check "gateway and operator do not import each other" no_sideways_import
  check "no test is ignored" no_ignored_test
  check "the Dockerfile copies what sources include" no_uncopied_include
}

# Each of these prints what offends, and fails if there is any.
rust_files() { find . -name '*.rs' -not -path '*/target/*' -not -path './.*/*'; }
silent() { local said; said=$(cat); [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }; }

no_long_file() { rust_files | xargs -d '\n' wc -l | awk '$1 > 500 && $2 != "total" { print $2 ": " $1 " lines" }' | silent; }

no_foreign_name() { # a deleted folder may still hold cargo's `target`, and no more than that
  find . -mindepth 1 -maxdepth 1 -not -name '.*' -not -name target -printf '%f\n' |
    { grep -vxF "$(tr ' ' '\n' <<<"$TOP_LEVEL")" || true; } | silent
}

nothing_names_http() {
  find gateway/src -name '*.rs' -not -path 'gateway/src/http/*' -not -path 'gateway/src/cli/*' \
    -not -name http.rs -not -name cli.rs -not -name main.rs -print0 |
    xargs -0 awk '!/^ *\/\// && /crate::(http([^a-z_]|$)|\{([^}]*[ ,{])?http[ ,:}])/ { print FILENAME ":" FNR ": " $0 }' | silent
}

no_kube_client() {
  { cargo tree --locked -p gateway -e normal --prefix none | grep -E '^kube-(client|runtime) ' || true; } | silent
}

no_sideways_import() {
  { grep -nE '^(operator|gateway)[. ]*(=|workspace)' gateway/Cargo.toml operator/Cargo.toml 2>/dev/null || true; } | silent
}

no_ignored_test() { { rust_files | xargs -d '\n' grep -nE '^ *#\[ignore' || true; } | silent; }

# Of the files outside the crates that they include, the images are built with those that the Dockerfile copies.
no_uncopied_include() {
  local included
  grep -q '^COPY deploy/samples ' Dockerfile && grep -qxF '!deploy/samples' .dockerignore || return 1
  included=$(grep -rnoE 'include_(str|bytes)!\("(\.\./)+(deploy|charts|e2e|\.)[^"]*' --include='*.rs' {crds,gateway,operator}/src) || true
  [ -n "$included" ] || { echo "no include is found any more; look for them in another way"; return 1; }
  { grep -v '/deploy/samples/' <<<"$included" || true; } | silent
}
