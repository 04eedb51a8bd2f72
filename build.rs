//! Linker settings of the shared library.

fn main() {
    // The library keeps threads and thread-local destructors: it must never be unmapped by dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
