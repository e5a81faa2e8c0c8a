//! Checks the support program's answers before anybody uses them. The program may have been modified, so lists are
//! bounded, numbers are ones that JavaScript represents exactly, and keys that a page relies on are unique.

use std::{collections::HashSet, hash::Hash};

use protocol::{
    Answer, Disk, Folder, Item, Log, MAX_FOLDER_ITEMS, MAX_PATH_BYTES, Network, Process, Service, SystemInfo,
};

/// The largest integer that JavaScript represents exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// The latest time that JavaScript can represent, in milliseconds since 1970 (ECMA-262, Time Values and Time Range).
const MAX_TIME: u64 = 8_640_000_000_000_000;
/// The highest CPU usage that is accepted, in percent of one core.
const MAX_PERCENT: f32 = 1_000_000.0;
/// The longest path or name in an answer, in bytes. A byte that is not valid UTF-8 is sent as three (U+FFFD).
const MAX_ANSWERED_PATH: usize = 3 * MAX_PATH_BYTES;
/// The longest version tag of a file, in bytes.
const MAX_VERSION: usize = 1_024;
/// The longest text of the system information, in Unicode scalar values.
const MAX_TEXT: usize = 1_000;

const MAX_PLACES: usize = 32;
const MAX_DISKS: usize = 256;
const MAX_NETWORKS: usize = 256;
const MAX_ADDRESSES: usize = 64;
const MAX_PROCESSES: usize = 5_000;
const MAX_SERVICES: usize = 5_000;
const MAX_LOG_LINES: usize = 1_000;

/// Returns the answer with its lists and numbers bounded, or `None` if it is invalid.
pub(super) fn validated(answer: Answer) -> Option<Answer> {
    match answer {
        Answer::Done {} | Answer::Clipboard { .. } | Answer::Fault { .. } => Some(answer),
        Answer::File { size, ref version, .. } => {
            (size.is_none_or(|size| size <= MAX_EXACT) && version.len() <= MAX_VERSION).then_some(answer)
        }
        Answer::Kept { bytes } => (bytes <= MAX_EXACT).then_some(answer),
        Answer::Placed { ref path, bytes, .. } => (is_path(path) && bytes <= MAX_EXACT).then_some(answer),
        Answer::Folder { folder: raw } => folder(raw).map(|folder| Answer::Folder { folder }),
        Answer::SystemInfo { info } => Some(Answer::SystemInfo { info: Box::new(system(*info)) }),
    }
}

fn is_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= MAX_ANSWERED_PATH && !path.contains('\0')
}

fn folder(raw: Folder) -> Option<Folder> {
    let Folder { path, parent, places, separator, items, left_out, free } = raw;
    if !is_path(&path) || !parent.as_deref().is_none_or(is_path) || !["/", "\\"].contains(&separator.as_str()) {
        return None;
    }
    let count = items.len();
    let items = items.into_iter().filter(|i| names_one(&i.name, &separator)).map(item);
    let items = listed(items, MAX_FOLDER_ITEMS, |i| i.name.clone());
    // Count what is not passed on.
    let left_out = left_out.saturating_add(u32::try_from(count - items.len()).unwrap_or(u32::MAX));
    let places = listed(places.into_iter().filter(|p| is_path(p)), MAX_PLACES, String::clone);
    Some(Folder { path, parent, places, separator, items, left_out, free: free.min(MAX_EXACT) })
}

/// Whether this is the name of one item in a folder and no path that leads elsewhere.
fn names_one(name: &str, separator: &str) -> bool {
    is_path(name) && name != "." && name != ".." && !name.contains(separator)
}

fn item(raw: Item) -> Item {
    let Item { name, kind, bytes, changed } = raw;
    Item { name, kind, bytes: bytes.min(MAX_EXACT), changed: if changed > MAX_TIME { 0 } else { changed } }
}

fn system(raw: SystemInfo) -> SystemInfo {
    let log = raw.log.map(|log| {
        let skipped = log.lines.len().saturating_sub(MAX_LOG_LINES);
        Log { source: cut(log.source), lines: log.lines.into_iter().skip(skipped).map(cut).collect() }
    });
    SystemInfo {
        system: cut(raw.system),
        kernel: cut(raw.kernel),
        host: cut(raw.host),
        user: cut(raw.user),
        processor: cut(raw.processor),
        cores: raw.cores,
        cpu: percent(raw.cpu),
        memory: raw.memory.min(MAX_EXACT),
        memory_used: raw.memory_used.min(MAX_EXACT),
        swap: raw.swap.min(MAX_EXACT),
        swap_used: raw.swap_used.min(MAX_EXACT),
        uptime: raw.uptime.min(MAX_TIME / 1_000),
        disks: raw.disks.into_iter().take(MAX_DISKS).map(disk).collect(),
        networks: raw.networks.into_iter().take(MAX_NETWORKS).map(network).collect(),
        processes: listed(raw.processes.into_iter().map(process), MAX_PROCESSES, |p| p.pid),
        services: raw.services.map(|all| listed(all.into_iter().map(service), MAX_SERVICES, |s| s.name.clone())),
        log,
    }
}

fn disk(raw: Disk) -> Disk {
    let Disk { name, mounted_at, system, total, free } = raw;
    let (total, free) = (total.min(MAX_EXACT), free.min(MAX_EXACT));
    Disk { name: cut(name), mounted_at: cut(mounted_at), system: cut(system), total, free }
}

fn network(raw: Network) -> Network {
    let Network { name, hardware, addresses, received, sent } = raw;
    let addresses = addresses.into_iter().take(MAX_ADDRESSES).map(cut).collect();
    let (received, sent) = (received.min(MAX_EXACT), sent.min(MAX_EXACT));
    Network { name: cut(name), hardware: cut(hardware), addresses, received, sent }
}

fn process(raw: Process) -> Process {
    let Process { pid, name, user, cpu, memory, seconds, command } = raw;
    let (cpu, memory) = (percent(cpu), memory.min(MAX_EXACT));
    Process { pid, name: cut(name), user: cut(user), cpu, memory, seconds, command: cut(command) }
}

fn service(raw: Service) -> Service {
    let Service { name, state, description } = raw;
    Service { name: cut(name), state: cut(state), description: cut(description) }
}

/// The first `most` items with distinct keys.
fn listed<T, K: Eq + Hash>(raw: impl Iterator<Item = T>, most: usize, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::new();
    raw.filter(|one| seen.insert(key(one))).take(most).collect()
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A finite percentage: JSON has no infinity, and serde writes `null` for it.
fn percent(raw: f32) -> f32 {
    if raw.is_finite() { raw.clamp(0.0, MAX_PERCENT) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::Kind;
    use serde_json::{Value, json};

    use super::*;

    fn answer(value: &Value) -> Option<Value> {
        let answer: Answer = serde_json::from_value(value.clone()).unwrap();
        validated(answer).map(|answer| serde_json::to_value(answer).unwrap())
    }

    fn named(name: impl Into<String>) -> Item {
        Item { name: name.into(), kind: Kind::File, bytes: u64::MAX, changed: u64::MAX }
    }

    fn of(items: Vec<Item>) -> Folder {
        let places = vec!["/home".into(); 100];
        let (path, parent) = ("/".into(), Some("/".into()));
        Folder { path, parent, places, separator: "/".into(), items, left_out: 1, free: u64::MAX }
    }

    #[test]
    fn a_folder_lists_each_item_once_and_no_paths() {
        let names = ["a", "a", "..", ".", "", "../../etc", "b/c", "d\\e", "f\0"];
        let folder = folder(of(names.map(named).into())).unwrap();
        let kept: Vec<&str> = folder.items.iter().map(|i| i.name.as_str()).collect();
        assert_eq!((kept.as_slice(), folder.left_out, folder.places.len()), (&["a", "d\\e"][..], 8, 1));
        assert!(folder.items.iter().all(|i| i.changed == 0 && i.bytes == MAX_EXACT) && folder.free == MAX_EXACT);
        let many = (0..=MAX_FOLDER_ITEMS).map(|n| named(n.to_string())).collect();
        let folder = super::folder(of(many)).unwrap();
        assert_eq!((folder.items.len(), folder.left_out), (MAX_FOLDER_ITEMS, 2));
    }

    #[test]
    fn invalid_answers_are_rejected() {
        let long = "x".repeat(MAX_ANSWERED_PATH + 1);
        for invalid in [
            Answer::Folder { folder: Folder { separator: String::new(), ..of(vec![]) } },
            Answer::Folder { folder: Folder { path: String::new(), ..of(vec![]) } },
            Answer::Folder { folder: Folder { parent: Some(long.clone()), ..of(vec![]) } },
            Answer::File { size: Some(u64::MAX), version: String::new(), sums: true },
            Answer::File { size: None, version: long.clone(), sums: true },
            Answer::Kept { bytes: u64::MAX },
            Answer::Placed { path: long, bytes: 1, sha256: String::new() },
        ] {
            assert_eq!(validated(invalid.clone()), None, "{invalid:?}");
        }
    }

    #[test]
    fn system_information_has_finite_numbers_and_bounded_lists() {
        let process = |pid: u32| {
            json!({
                "pid": pid, "name": "x".repeat(9_000), "user": "", "cpu": 1e39, "memory": u64::MAX, "seconds": 1, "command": ""
            })
        };
        let mut processes: Vec<Value> = (0..6_000).map(process).collect();
        processes.push(process(1));
        let service = json!({ "name": "same", "state": "", "description": "" });
        let lines: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
        let raw = json!({ "answer": "system_info", "info": {
            "system": "", "kernel": "", "host": "", "user": "", "processor": "", "cores": 1, "cpu": -1e39, "memory": 0,
            "memory_used": 0, "swap": 0, "swap_used": 0, "uptime": u64::MAX, "disks": [], "networks": [],
            "processes": processes, "services": [service, service], "log": { "source": "", "lines": lines }
        }});
        let info = &answer(&raw).unwrap()["info"];
        assert_eq!(info["processes"].as_array().unwrap().len(), MAX_PROCESSES);
        assert_eq!(info["services"].as_array().unwrap().len(), 1);
        let first = &info["processes"][0];
        assert_eq!((&first["cpu"], &first["memory"], &info["cpu"]), (&json!(0.0), &json!(MAX_EXACT), &json!(0.0)));
        assert_eq!(first["name"].as_str().unwrap().chars().count(), MAX_TEXT + 1);
        let lines = info["log"]["lines"].as_array().unwrap();
        assert_eq!((lines.len(), lines.last().unwrap()), (MAX_LOG_LINES, &json!("1999")), "the newest lines are kept");
    }

    proptest! {
        /// Items are unique, their number is bounded, and those left out are counted.
        #[test]
        fn folder_lists_are_bounded(names in prop::collection::vec("[ab./]{0,3}", 0..60), left_out in 0u32..9) {
            let count = names.len();
            let folder = folder(Folder { left_out, ..of(names.into_iter().map(named).collect()) }).unwrap();
            let unique: HashSet<&str> = folder.items.iter().map(|i| i.name.as_str()).collect();
            prop_assert_eq!(unique.len(), folder.items.len());
            prop_assert_eq!(folder.items.len() + folder.left_out as usize, count + left_out as usize);
            prop_assert!(folder.items.iter().all(|i| !i.name.contains('/') && i.changed <= MAX_TIME));
        }
    }
}
