//! The library's files are compiled with loom's types here (`src/sys/sync.rs`).

fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-check-cfg=cfg(unpooled)");
    // One of the library's features, which the models do without.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"gssapi\"))");
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
