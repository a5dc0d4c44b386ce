# The tasks of a working day. Each calls what CI calls; `e2e/test --help` and `deploy/build --help` say more.

set shell := ["bash", "-euo", "pipefail", "-c"]

# what there is
[private]
default:
    @just --list --unsorted

# format every Rust file
fmt:
    eval "$(deploy/build --env)" && cargo fmt --all

# everything that can be told from the text
lint:
    e2e/test lint

# unit, property and documentation tests
test:
    e2e/test unit

# write the files that are generated: from the types and the dashboards' source, then from those and the chart
generate:
    "$(deploy/build | tail -n 1)/crdgen" deploy/crds
    deploy/grafana/generate
    deploy/render

# licenses, bans, sources and advisories of the dependencies
deny:
    e2e/test lint/deny

# every suite that this machine can run, or the ones named
e2e *SUITES:
    e2e/test {{ SUITES }}
