//! Which modules of a crate name which others: in the order of ARCHITECTURE.md, without cycles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{architecture::Architecture, sources};

/// The crates whose modules have an order, and the heading in ARCHITECTURE.md above the table that has it.
const ORDERS: [(&str, &str); 2] =
    [("server", "## Modules of the server"), ("customer", "## Modules of the support program")];

/// Each module names only those below it in the table, and every module is there. `main` may name all.
pub fn check(root: &Path, architecture: &Architecture, broken: &mut Vec<String>) -> anyhow::Result<()> {
    for (name, heading) in ORDERS {
        let order = architecture.modules(heading);
        let arrows = arrows(&root.join("crates").join(name).join("src"))?;
        for (module, named) in &arrows {
            let Some(place) = order.iter().position(|m| m == module) else {
                broken.push(format!("{name}: ARCHITECTURE.md does not have the module {module} in its table"));
                continue;
            };
            let above = named.iter().filter(|other| !order[place..].contains(other));
            broken.extend(above.map(|other| format!("{name}: {module} may not name {other}, which is above it")));
        }
        let gone = order.iter().filter(|module| !arrows.contains_key(*module));
        broken.extend(gone.map(|module| format!("{name}: ARCHITECTURE.md has the module {module}, which is gone")));
    }
    for folder in fs::read_dir(root.join("crates"))? {
        let folder = folder?.path();
        let circle = circle(arrows(&folder.join("src"))?);
        if !circle.is_empty() {
            let members: Vec<_> = circle.keys().map(String::as_str).collect();
            broken.push(format!("{}: a circle among {}", folder.display(), members.join(", ")));
        }
    }
    Ok(())
}

/// The modules that are in a circle, or between two of them: what is left when modules that nobody else names, and those
/// that name nobody else, are taken away until none is left.
fn circle(mut arrows: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let named: BTreeSet<String> = arrows.values().flatten().cloned().collect();
        let inner = |module: &String, names: &BTreeSet<String>| !names.is_empty() && named.contains(module);
        let Some(outer) = arrows.iter().find(|(module, names)| !inner(module, names)).map(|(m, _)| m.clone()) else {
            return arrows;
        };
        arrows.remove(&outer);
        arrows.values_mut().for_each(|names| _ = names.remove(&outer));
    }
}

/// Each top-level module of a crate, and which others its code names; tests aside.
fn arrows(folder: &Path) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for path in sources(folder)? {
        let module = path.strip_prefix(folder)?.iter().next().unwrap_or_default().to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if module != "main" && module != "lib" {
            all.entry(module.to_owned()).or_default().extend(named(&fs::read_to_string(&path)?));
        }
    }
    let modules: BTreeSet<String> = all.keys().cloned().collect();
    for (module, named) in &mut all {
        named.retain(|other| other != module && modules.contains(other));
    }
    Ok(all)
}

/// What follows `crate::` in a file's code.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut all = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => all.extend(heads(group)),
            None => all.extend(head(rest)),
        }
    }
    all
}

/// The first words of a group's members: `a`, `b` of `a::{x, y}, b::z}…`.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut members) = (1, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if c == ',' && depth == 1 {
            members.push(std::mem::take(&mut member));
        } else {
            member.push(c);
        }
    }
    members.push(member);
    members.iter().filter_map(|m| head(m.trim_start())).collect()
}

fn head(path: &str) -> Option<String> {
    let word: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_what_leads_to_it_is_not_blamed() {
        let arrows = |list: &[(&str, &[&str])]| {
            let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
            list.iter().map(|(module, named)| ((*module).to_owned(), names(named))).collect()
        };
        assert!(circle(arrows(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
        let found = circle(arrows(&[("a", &["b"]), ("b", &["c"]), ("c", &["b", "d"]), ("d", &[])]));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn what_a_file_names_is_found() {
        let text = "
            use crate::{a::{self, x}, b, c::y::{z}};
            use crate::d::D; // crate::comment
            fn f() { crate::e::g() }
#[cfg(test)]
mod tests {
    use crate::test_only;
}";
        assert_eq!(named(text), ["a", "b", "c", "d", "e"].map(str::to_owned).into());
    }
}
