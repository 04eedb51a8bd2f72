//! Linker settings of the shared library, and the C header.
//!
//! cbindgen does not look into macros, and every exported function is defined through one. This script therefore gives it
//! the declarations alone, taken from `src/abi` as text, next to the constants and the structures, and puts the header into `OUT_DIR`.
//! `tests/header.rs` compares that with the committed `include/monocoque.h`; `make header` renews it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    // The library keeps threads and thread-local destructors: it must never be unmapped by dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    for input in [
        "build.rs",
        "cbindgen.toml",
        "src/abi",
        "src/constants.rs",
        "src/pipe/traffic.rs",
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let declarations = out.join("declarations.rs");
    fs::write(&declarations, declarations_in(&root.join("src/abi"))?)?;
    let bindings = cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(root.join("cbindgen.toml"))?)
        .with_src(root.join("src/constants.rs"))
        .with_src(root.join("src/pipe/traffic.rs"))
        .with_src(root.join("src/abi/stats.rs"))
        .with_src(declarations)
        .generate()?;
    bindings.write_to_file(out.join("monocoque.h"));
    Ok(())
}

/// The declarations of the functions that the files of a folder define through the entry macros, in the files' order.
fn declarations_in(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut declarations = String::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
    {
        let text = fs::read_to_string(file)?;
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line.ends_with("entry! {") || line.ends_with("entry_unwind! {") {
                declarations.push_str(&declaration(&mut lines).ok_or_else(|| format!("{}: {line}", file.display()))?);
            }
        }
    }
    Ok(declarations)
}

/// One declaration: the documentation as far as its section on safety, which is for readers of the source, and the prototype.
fn declaration<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let mut documentation = Vec::new();
    let mut prototype = String::new();
    for line in lines {
        if let Some(comment) = line.strip_prefix("///") {
            documentation.push(comment);
        } else if !line.starts_with("#[") {
            prototype.push_str(line);
            prototype.push(' ');
        }
        if prototype.contains(" on_error ") {
            break;
        }
    }
    let (prototype, _) = prototype.split_once(", on_error ")?;
    let prototype = prototype.replace("pub unsafe fn", "pub unsafe extern \"C\" fn");
    // C has a name for the function and not, as Rust, for the pointer to it.
    let prototype = ["FreeFn", "TimerFn", "ThreadFn"]
        .iter()
        .fold(prototype, |prototype, function| {
            prototype.replace(&format!("Option<{function}>"), &format!("*mut {function}"))
        });
    let prototype = prototype.replace("(_", "(").replace(" _", " ");
    let documentation = documentation
        .iter()
        .take_while(|comment| !comment.contains("# Safety"))
        .map(|comment| {
            let comment = comment.replace("[`", "`").replace("`]", "`");
            format!("///{comment}\n")
        });
    let documentation = documentation.collect::<String>();
    let documentation = documentation.strip_suffix("///\n").unwrap_or(&documentation);
    Some(format!("{documentation}#[unsafe(no_mangle)]\n{prototype} {{}}\n"))
}
