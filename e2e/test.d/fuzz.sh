# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The long suite `fuzz`: libFuzzer, guided by coverage, on every parser of what others send (gateway/fuzz/targets.rs).
#
# - Only the crates of this workspace are instrumented, by a wrapper of their compiler, so that the dependencies are those of
#   every other build. It takes no nightly compiler: the flags are those that cargo-fuzz passes where there is no sanitizer.
# - What is found is kept in the cache, and the next run goes on from there. An input that breaks something is left beside the
#   logs; put into gateway/fuzz/corpus/TARGET, the unit suite replays it for ever.

readonly FUZZ_SECONDS=${ROUTE_SWITCH_FUZZ_SECONDS:-600}
readonly FUZZ_LIMITS=(-rss_limit_mb=2048 -timeout=10 -max_len=16384 -print_final_stats=1)

# Each target with the folder of inputs to begin with.
fuzz_targets() {
  awk '/^ *name: "/ { split($0, name, "\"") } /^ *seeds: "/ { split($0, seeds, "\""); print name[2], seeds[2] }' gateway/fuzz/targets.rs
}

fuzz_rust_obstacle() {
  has c++ || echo "there is no C++ compiler for libFuzzer (apt-get install g++)"
}

build_fuzzer() {
  RUSTC_WORKSPACE_WRAPPER=$root/e2e/test.d/instrument cargo build "${cargo_flags[@]}" --features gateway/fuzz --bin route-switch-fuzz
}

fuzz() { # target, seeds
  local found=$cache/fuzz/$1
  mkdir -p "$found"
  ROUTE_SWITCH_FUZZ_TARGET=$1 "$programs/route-switch-fuzz" -max_total_time="$FUZZ_SECONDS" "${FUZZ_LIMITS[@]}" \
    -artifact_prefix="$logs/fuzz-$1-" "$found" "gateway/fuzz/corpus/$1" "gateway/$2" >"$logs/fuzz-$1.log" 2>&1 || {
    tail -n 40 "$logs/fuzz-$1.log"
    return 1
  }
  sed -n 's/^stat::number_of_executed_units: */executed /p' "$logs/fuzz-$1.log"
}

# As many at a time as there are cores.
fuzz_rust() {
  local target seeds cores
  cores=$(nproc)
  build_fuzzer
  while read -r target seeds; do
    while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n || true; done
    check "$target for $FUZZ_SECONDS s" fuzz "$target" "$seeds" &
  done < <(fuzz_targets)
  wait
}
