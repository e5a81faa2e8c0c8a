//! What the pages say of the code: every file that they name exists, and so does what they name in it.

use std::{fs, path::Path, process::Command};

use anyhow::Context;

/// The pages beside those in `docs/`. A name that ends with a slash is a folder of the repository there; in `docs/` it
/// may be one of the server's data.
const PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", STYLE, "SECURITY.md"];

/// Its bad examples are of code that is gone, so of this page only files are checked.
const STYLE: &str = "STYLE.md";

/// The endings of files that are looked for.
const ENDINGS: [&str; 4] = [".rs", ".ts", ".svelte", ".slint"];

/// The first segments of paths into the code of others.
const FOREIGN: [&str; 3] = ["std", "tokio", "DbErr"];

/// The words before a name where it is declared, in Rust and in TypeScript.
const DECLARATIONS: [&str; 12] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "mod",
    "const",
    "static",
    "type",
    "macro_rules!",
    "function",
    "class",
    "interface",
];

/// A file that a page may name.
struct Source {
    path: String,
    /// Of files with one of [`ENDINGS`]; the others only have a name.
    text: String,
}

/// Reports every name between backticks for which there is nothing in the code.
pub fn check(root: &Path, broken: &mut Vec<String>) -> anyhow::Result<()> {
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let (mut sources, mut pages) = (Vec::new(), Vec::new());
    for path in files(root)? {
        let is_source = ENDINGS.iter().any(|ending| path.ends_with(ending));
        if PAGES.contains(&path.as_str()) || (path.starts_with("docs/") && path.ends_with(".md")) {
            pages.push(path.clone());
        }
        sources.push(Source { text: if is_source { read(&path)? } else { String::new() }, path });
    }
    for page in pages {
        for code in code(&read(&page)?) {
            let checked = match Name::of(&code) {
                Some(Name::Path(..)) if page == STYLE => Ok(()),
                Some(Name::Folder(_)) if !PAGES.contains(&page.as_str()) => Ok(()),
                Some(name) => name.find(&sources),
                None => Ok(()),
            };
            broken.extend(checked.err().map(|why| format!("{page} names `{code}`: {why}")));
        }
    }
    Ok(())
}

/// The files that are in the repository, or would be after the next commit.
fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git cannot be started")?;
    anyhow::ensure!(listing.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr));
    let listed = String::from_utf8(listing.stdout)?;
    // A file that was deleted is listed until that is committed.
    Ok(listed.split('\0').filter(|path| root.join(path).is_file()).map(str::to_owned).collect())
}

/// What stands between backticks in a page, except in blocks of code. A backtick too many spoils one paragraph only.
fn code(page: &str) -> Vec<String> {
    let outside = page.split("```").step_by(2).collect::<String>();
    let mut all = Vec::new();
    for paragraph in outside.split("\n\n") {
        let parts: Vec<&str> = paragraph.split('`').collect();
        all.extend(parts.chunks_exact(2).map(|pair| pair[1].to_owned()).take(parts.len().saturating_sub(1) / 2));
    }
    all
}

/// A name of something in the code.
#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    /// `folder/file.rs`, or `file.rs::function`.
    File(&'a str, Vec<&'a str>),
    /// `folder/`.
    Folder(&'a str),
    /// `module::function`, `Type::method`.
    Path(&'a str, Vec<&'a str>),
}

impl<'a> Name<'a> {
    /// What is written between backticks, if it is a name of ours and not a placeholder such as `<name>.rs`.
    fn of(code: &'a str) -> Option<Self> {
        let mut segments = code.split("::");
        let (first, inner) = (segments.next()?, segments.collect::<Vec<_>>());
        let of_path = |c: char| is_of_word(c) || "/.-+[]".contains(c);
        if !first.starts_with(is_of_word) || !inner.iter().all(|name| !name.is_empty() && name.chars().all(is_of_word))
        {
            return None;
        }
        if ENDINGS.iter().any(|ending| first.ends_with(ending)) {
            first.chars().all(of_path).then_some(Self::File(first, inner))
        } else if let Some(folder) = code.strip_suffix('/') {
            folder.chars().all(of_path).then_some(Self::Folder(folder))
        } else {
            let is_ours = !inner.is_empty() && first.chars().all(is_of_word) && !FOREIGN.contains(&first);
            is_ours.then_some(Self::Path(first, inner))
        }
    }

    fn find(&self, sources: &[Source]) -> Result<(), String> {
        let paths = || sources.iter().map(|source| source.path.as_str());
        match self {
            Self::Folder(folder) => {
                let found = paths().any(|path| format!("/{path}").contains(&format!("/{folder}/")));
                if found { Ok(()) } else { Err("there is no such folder".into()) }
            }
            Self::File(file, inner) => {
                let here =
                    |path: &str| path.strip_suffix(file).is_some_and(|start| start.is_empty() || start.ends_with('/'));
                let texts: Vec<&str> = sources.iter().filter(|s| here(&s.path)).map(|s| &*s.text).collect();
                // A method is looked for by its type, a variant is not declared by a word.
                match inner.as_slice() {
                    _ if texts.is_empty() => Err("there is no such file".into()),
                    [] => Ok(()),
                    [name] => declared(name, &texts),
                    [of, .., name] => declared(of, &texts).and_then(|()| mentioned(name, &texts)),
                }
            }
            Self::Path(of, inner) => {
                let is_type = of.starts_with(char::is_uppercase);
                let here = |source: &&Source| if is_type { has_type(&source.text, of) } else { is_module(source, of) };
                let texts: Vec<&str> = sources.iter().filter(here).map(|s| &*s.text).collect();
                match inner.as_slice() {
                    _ if texts.is_empty() => Err(format!("there is no {of}")),
                    [name] if !is_type => declared(name, &texts),
                    [.., name] => mentioned(name, &texts),
                    [] => Ok(()),
                }
            }
        }
    }
}

fn declared(name: &str, texts: &[&str]) -> Result<(), String> {
    if texts.iter().any(|text| declares(text, name)) { Ok(()) } else { Err(format!("nothing there is called {name}")) }
}

fn mentioned(name: &str, texts: &[&str]) -> Result<(), String> {
    let found = texts.iter().any(|text| words(text).any(|word| word == name));
    if found { Ok(()) } else { Err(format!("nothing there is called {name}")) }
}

/// Whether a file is part of the module or the crate of this name, or has the module in it.
fn is_module(Source { path, text }: &Source, name: &str) -> bool {
    let parts = path.strip_suffix(".rs").map(|path| path.split('/'));
    parts.is_some_and(|mut parts| parts.any(|part| part == name) || text.contains(&format!("mod {name} {{")))
}

/// Whether a Rust file declares or implements this type.
fn has_type(text: &str, name: &str) -> bool {
    declares(text, name) || text.lines().any(|line| line.starts_with("impl") && words(line).any(|word| word == name))
}

/// Whether a file declares this name.
fn declares(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let ends = !text[at + name.len()..].starts_with(is_of_word);
        let before = text[..at].strip_suffix(' ').unwrap_or_default();
        let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
        ends && DECLARATIONS.contains(&word)
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_of_word(c))
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_a_page_is_found() {
        let page = "See `a.rs` and\n`b::c`.\n\n```\nnot `this.rs`\n```\n\nA stray ` here.\n\nThen `d.ts`.";
        assert_eq!(code(page), ["a.rs", "b::c", "d.ts"]);
    }

    fn check_one(code: &str) -> Result<(), String> {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let sources = [
            source(
                "crates/a/src/store.rs",
                "pub struct Store;\nimpl Store {\n    pub fn open() {}\n}\nenum Kind { Full }\nmod row { struct Model; }",
            ),
            source("crates/a/src/mail/mod.rs", "macro_rules! group { () => {} }\npub const MOST: u32 = 1;"),
            source("console/src/lib/time.ts", "export function span() {}\nexport class Clock { tick() {} }"),
            source("console/src/routes/me/[id]/+page.svelte", ""),
            source("console/decoder/build.sh", ""),
        ];
        Name::of(code).map_or(Ok(()), |name| name.find(&sources))
    }

    #[test]
    fn what_exists_is_found() {
        for code in [
            "store.rs",
            "a/src/store.rs",
            "crates/a/src/store.rs",
            "store.rs::Store",
            "store.rs::Store::open",
            "store.rs::open",
            "Store::open",
            "Kind::Full",
            "mail::MOST",
            "row::Model",
            "a::group",
            "mail/mod.rs::group",
            "time.ts::span",
            "time.ts::Clock::tick",
            "me/[id]/+page.svelte",
            "decoder/",
            "src/mail/",
        ] {
            assert_eq!(check_one(code), Ok(()), "{code}");
        }
    }

    #[test]
    fn what_is_no_name_of_ours_is_let_pass() {
        for code in [
            "cargo test -p store",
            "m0003_<name>.rs",
            "…/store.rs",
            "*.rs",
            "std::process",
            "DbErr::Custom",
            "#[cfg(windows)]",
            "a.json",
            "https://example.org/x.ts",
            "State<Arc<Store>>",
            "/wire",
            "/api/join/",
        ] {
            assert_eq!(Name::of(code), None, "{code}");
        }
    }

    #[test]
    fn what_is_missing_is_reported() {
        for (code, why) in [
            ("stores.rs", "there is no such file"),
            ("ore.rs", "there is no such file"),
            ("mail/store.rs", "there is no such file"),
            ("store.rs::close", "nothing there is called close"),
            ("store.rs::Stor", "nothing there is called Stor"),
            ("store.rs::Store::close", "nothing there is called close"),
            ("time.ts::spans", "nothing there is called spans"),
            ("Store::close", "nothing there is called close"),
            ("Shop::open", "there is no Shop"),
            ("mail::open", "nothing there is called open"),
            ("post::open", "there is no post"),
            ("code/", "there is no such folder"),
        ] {
            assert_eq!(check_one(code), Err(why.to_owned()), "{code}");
        }
    }
}
