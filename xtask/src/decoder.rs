//! The decoder for browsers that have none: libaom in the encoder's version, compiled to WebAssembly.

use std::path::PathBuf;

use anyhow::Context;

use crate::{ci::newest, packages, root, run, setup};

/// Where the console expects it.
const DECODER: &str = "console/src/lib/viewer/decoder.wasm";

/// Builds it, unless it is newer than its sources.
pub fn build() -> anyhow::Result<()> {
    let libaom = libaom()?;
    let parts = [root().join("console/decoder"), root().join("Cargo.lock")];
    if parts.iter().map(|part| newest(part)).max() < Some(newest(&root().join(DECODER))) {
        return Ok(());
    }
    setup::run(&setup::WASM)?;
    let built = root().join("target/wasm");
    let (source, built) = (libaom.display().to_string(), built.display().to_string());
    let toolchain = format!("-DCMAKE_TOOLCHAIN_FILE={}", root().join("console/decoder/wasm.cmake").display());
    run(".", "cmake", &["-Wno-dev", "-S", &source, "-B", &built, &toolchain, "-DCMAKE_BUILD_TYPE=Release"])?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from).to_string();
    run(".", "cmake", &["--build", &built, "--target", "aom", "--parallel", &threads])?;
    let archive = format!("{built}/libaom.a");
    let (api, config) = (format!("-I{source}"), format!("-I{built}"));
    let link = ["-Wl,--strip-all", "-Wl,--gc-sections", "-Wl,--stack-first", "-Wl,-z,stack-size=1048576"];
    let compile = ["--target=wasm32-wasi", "-mexec-model=reactor", "-O3", "-msimd128", "-Wall", "-Werror"];
    let files = [&api, &config, "console/decoder/decoder.c", &archive, "-o", DECODER];
    run(".", "clang", &[&compile[..], &link, &files].concat())
}

/// The source of the libaom that the encoder uses.
fn libaom() -> anyhow::Result<PathBuf> {
    let packages = packages()?;
    let package = packages.iter().find(|p| p["name"] == "libaom-sys").context("no package libaom-sys")?;
    let manifest = package["manifest_path"].as_str().context("libaom-sys has no manifest")?;
    Ok(PathBuf::from(manifest).with_file_name("vendor"))
}
