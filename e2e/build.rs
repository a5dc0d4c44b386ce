//! Programs and test binaries look for `libduckdb.so` beside themselves, so that the folder that `deploy/build` prints can be moved whole.
fn main() {
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN:$ORIGIN/..");
    println!("cargo:rerun-if-changed=build.rs");
}
