//! Compiles the windows with every language into the program; for Windows also icon, version and manifest.

fn main() {
    let config = slint_build::CompilerConfiguration::new()
        .with_style("fluent".into())
        .with_bundled_translations("lang")
        .with_default_translation_context(slint_build::DefaultTranslationContext::None);
    slint_build::compile_with_config("ui/app.slint", config).expect("the windows compile");
    if std::env::var_os("CARGO_CFG_WINDOWS").is_some() {
        about_the_program();
    }
}

/// The file properties and the manifest of the Windows program.
fn about_the_program() {
    println!("cargo::rerun-if-changed=windows");
    winresource::WindowsResource::new()
        .set("ProductName", "Deskside")
        .set("FileDescription", "Deskside support")
        .set("OriginalFilename", "deskside-support.exe")
        .set_icon("windows/deskside.ico")
        .set_manifest_file("windows/deskside.manifest")
        .compile()
        .expect("the resources compile");
}
