# The images of Route-Switch: targets `gateway` and `operator`.
#
#   docker build --target gateway  -t route-switch/gateway .
#   docker build --target operator -t route-switch/operator .
#
# - Both base images are arguments, so that it builds where no registry can be reached (`e2e/dockerfile` does that): one
#   with Rust and a C compiler, one with the C and C++ libraries of the same distribution, certificate authorities (of the
#   base alone: a builder may trust one that nobody else should) and no shell.
# - The toolchain, DuckDB's library and the dependencies have layers of their own, before any of our sources is copied: a
#   changed source file rebuilds our own crates and nothing else.
# - Nothing is written to the root file system: data goes to /var/lib/route-switch, what is temporary to /tmp.

# checkov:skip=CKV_DOCKER_2: Kubernetes asks by HTTP (livenessProbe, readinessProbe), and there is no shell to ask with
# checkov:skip=CKV_DOCKER_7: the tags of the bases stand in the arguments, and are none that moves to another version

ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# === What it takes to build ===

FROM ${RUST_IMAGE} AS toolchain
WORKDIR /source
ENV ROUTE_SWITCH_CACHE=/cache CARGO_TARGET_DIR=/target
# Nobody builds twice in a layer, and backtraces need the names of functions only.
ENV CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=false
COPY Cargo.toml ./
COPY deploy/build deploy/
# Fetches DuckDB's library, which it knows by its hash.
RUN deploy/build --env >/environment

# === The dependencies, from the manifests alone ===

FROM toolchain AS dependencies
COPY Cargo.lock ./
COPY crds/Cargo.toml crds/
COPY gateway/Cargo.toml gateway/
COPY operator/Cargo.toml operator/
COPY e2e/Cargo.toml e2e/
# Empty crates in place of ours. Theirs are thrown away after: cargo goes by times, and a checkout may be older than this.
RUN mkdir crds/src gateway/src gateway/fuzz operator/src e2e/src \
 && touch crds/src/lib.rs gateway/src/lib.rs operator/src/lib.rs e2e/src/lib.rs \
 && for main in gateway/build.rs gateway/src/main.rs gateway/fuzz/main.rs operator/src/main.rs; do echo 'fn main() {}' >$main; done \
 && . /environment \
 && cargo build --release --locked --package gateway --package operator \
 && cargo clean --release --package crds --package gateway --package operator

# === Our programs ===

FROM dependencies AS build
COPY deploy/samples deploy/samples
COPY crds crds
COPY gateway gateway
COPY operator operator
RUN . /environment \
 && cargo build --release --locked --package gateway --package operator \
 && install -D -t /gateway/usr/local/bin /target/release/route-switch "$DUCKDB_LIB_DIR/libduckdb.so" \
 && install -D -t /operator/usr/local/bin /target/release/route-switch-operator \
 && install -d -m 0750 /data/route-switch

# === The images ===

FROM ${RUNTIME_IMAGE} AS runtime
LABEL org.opencontainers.image.licenses="MIT" org.opencontainers.image.source="https://github.com/route-switch/route-switch"
USER 65532:65532
WORKDIR /

FROM runtime AS operator
LABEL org.opencontainers.image.title="route-switch operator"
COPY --from=build /operator/ /
EXPOSE 9091
ENTRYPOINT ["/usr/local/bin/route-switch-operator"]

FROM runtime AS gateway
LABEL org.opencontainers.image.title="route-switch gateway"
COPY --from=build /gateway/ /
COPY --from=build --chown=65532:65532 /data/ /var/lib/
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/route-switch"]
