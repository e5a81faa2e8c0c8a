//! ARCHITECTURE.md as data. Its tables are the rules: which crate may name which others, and the order of modules.

use std::{fs, path::Path};

use anyhow::Context;

/// ARCHITECTURE.md.
pub struct Architecture(String);

/// A row of the table of crates.
#[derive(Debug, PartialEq, Eq)]
pub struct Crate {
    /// Its folder within `crates/`.
    pub name: String,
    /// The crates of ours that it may name.
    pub names: Vec<String>,
    /// Those that its tests may name besides.
    pub tests_name: Vec<String>,
}

impl Architecture {
    /// Reads the page.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        fs::read_to_string(root.join("ARCHITECTURE.md")).map(Self).context("ARCHITECTURE.md is missing")
    }

    /// The table of crates: the first column is the crate, the second what it names, its tests after the word.
    pub fn crates(&self) -> Vec<Crate> {
        let row = |cells: Vec<&str>| {
            let name = code(cells.first()?).next()?.strip_prefix("crates/")?.to_owned();
            let names = cells.get(1).copied().unwrap_or_default();
            let (names, tests) = names.split_once("tests").unwrap_or((names, ""));
            let owned = |cell| code(cell).map(str::to_owned).collect();
            Some(Crate { name, names: owned(names), tests_name: owned(tests) })
        };
        self.table("## Crates").into_iter().filter_map(row).collect()
    }

    /// The modules in the first column of the table below this heading, from the top down.
    pub fn modules(&self, heading: &str) -> Vec<String> {
        let mut modules = Vec::new();
        for cells in self.table(heading) {
            for name in cells.first().copied().into_iter().flat_map(code) {
                let name = name.trim_end_matches('/').trim_end_matches(".rs").to_owned();
                if !modules.contains(&name) {
                    modules.push(name);
                }
            }
        }
        modules
    }

    /// The cells of the first table below a heading, without its head.
    fn table(&self, heading: &str) -> Vec<Vec<&str>> {
        let lines =
            self.0.lines().skip_while(|line| *line != heading).skip(1).skip_while(|line| !line.starts_with('|'));
        let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "
## Crates

| crate | names | what it is |
|---|---|---|
| `crates/a` | | the base, without `crates/x` |
| `crates/b` | `a`; tests: `c` | something |

## Modules

In order.

| module | what it is |
|---|---|
| **start** | |
| `serve.rs`, `wire.rs`, `wire/` | `other.rs` is inside |
| `api/` | routes |

| another | table |
|---|---|
| `no.rs` | |
";

    #[test]
    fn tables_are_read() {
        let page = Architecture(PAGE.into());
        let one = |name: &str, names: &[&str], tests: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
            Crate { name: name.into(), names: owned(names), tests_name: owned(tests) }
        };
        assert_eq!(page.crates(), [one("a", &[], &[]), one("b", &["a"], &["c"])]);
        assert_eq!(page.modules("## Modules"), ["serve", "wire", "api"]);
        assert!(page.modules("## Missing").is_empty());
    }
}
