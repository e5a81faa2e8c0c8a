//! What this computer is and what runs on it.

use protocol::{Disk, Fault, Network, Process, SystemInfo};
use sysinfo::{Disks, Networks, Pid, Signal, System};

use crate::machine::{self, UserNames, cut};

/// The most processes that are listed: those that use most.
const MOST_PROCESSES: usize = 2_000;
/// Reads everything that the system tells.
pub fn read() -> Result<SystemInfo, Fault> {
    let mut system = System::new_all().map_err(other)?;
    // CPU usage is measured between two readings.
    std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
    system.refresh_all();
    let text = Result::unwrap_or_default;
    Ok(SystemInfo {
        system: text(System::long_os_version()),
        kernel: text(System::kernel_version()),
        host: text(System::host_name()),
        user: std::env::var("USER")
            .or_else(|_| std::env::var("USERNAME"))
            .ok()
            .or_else(|| own_user(&system))
            .unwrap_or_default(),
        processor: system.cpus().first().map(|c| c.brand().trim().to_owned()).unwrap_or_default(),
        cores: u32::try_from(system.cpus().len()).unwrap_or(0),
        cpu: system.global_cpu_usage(),
        memory: system.total_memory(),
        memory_used: system.used_memory(),
        swap: system.total_swap(),
        swap_used: system.used_swap(),
        uptime: System::uptime().unwrap_or_default(),
        disks: disks(),
        networks: networks(),
        processes: processes(&system),
        services: machine::services(),
        log: machine::log(),
    })
}

fn other(error: sysinfo::Error) -> Fault {
    Fault::Other { why: error.to_string() }
}

fn own_user(system: &System) -> Option<String> {
    let own = sysinfo::get_current_pid().ok()?;
    UserNames::read().of(system.process(own)?.user_id()?)
}

fn disks() -> Vec<Disk> {
    let Ok(disks) = Disks::new_with_refreshed_list() else { return vec![] };
    let disk = |d: &sysinfo::Disk| Disk {
        name: d.name().to_string_lossy().into_owned(),
        mounted_at: d.mount_point().to_string_lossy().into_owned(),
        system: d.file_system().to_string_lossy().into_owned(),
        total: d.total_space(),
        free: d.available_space(),
    };
    disks.iter().map(disk).collect()
}

fn networks() -> Vec<Network> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return vec![] };
    let mut all: Vec<Network> = networks
        .iter()
        .map(|(name, data)| Network {
            name: name.to_string_lossy().into_owned(),
            hardware: data.mac_address().to_string(),
            addresses: data.ip_networks().iter().map(ToString::to_string).collect(),
            received: data.total_received(),
            sent: data.total_transmitted(),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn processes(system: &System) -> Vec<Process> {
    let mut users = UserNames::read();
    let mut user = |p: &sysinfo::Process| users.of(p.user_id()?);
    let process = |p: &sysinfo::Process| Process {
        pid: p.pid().as_u32(),
        name: p.name().to_string_lossy().into_owned(),
        user: user(p).unwrap_or_default(),
        cpu: p.cpu_usage(),
        memory: p.memory(),
        seconds: u32::try_from(p.run_time()).unwrap_or(u32::MAX),
        command: cut(&p.cmd().iter().map(|c| c.to_string_lossy()).collect::<Vec<_>>().join(" ")),
    };
    // Threads of a process are not processes.
    let mut all: Vec<Process> =
        system.processes().values().filter(|p| p.thread_kind().is_none()).map(process).collect();
    all.sort_by_key(|p| std::cmp::Reverse(p.memory));
    all.truncate(MOST_PROCESSES);
    all
}

/// Asks a process to end, if it still has the name that the technician saw.
pub fn end_process(pid: u32, name: &str) -> Result<(), Fault> {
    let system = System::new_all().map_err(other)?;
    let process = system.process(Pid::from_u32(pid)).ok_or(Fault::NotFound)?;
    if process.name().to_string_lossy() != name {
        return Err(Fault::Changed);
    }
    let asked = process.kill_with(Signal::Term).unwrap_or_else(|| process.kill());
    if asked { Ok(()) } else { Err(Fault::NoPermission) }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_listed_and_ended_only_by_its_own_name() {
        let (program, arguments, name) =
            if cfg!(windows) { ("cmd", "/K rem", "cmd.exe") } else { ("sleep", "1000", "sleep") };
        let mut sleeper = Command::new(program).args(arguments.split(' ')).stdin(Stdio::piped()).spawn().unwrap();
        // The command prompt runs as long as its input is open.
        let words = sleeper.stdin.take();
        let info = read().unwrap();
        assert!(!info.host.is_empty() && !info.user.is_empty() && info.cores > 0 && info.memory > info.memory_used);
        let seen = info.processes.iter().find(|p| p.pid == sleeper.id()).expect("the process is listed");
        assert_eq!((seen.name.as_str(), seen.command.as_str()), (name, format!("{program} {arguments}").as_str()));
        assert_eq!(end_process(sleeper.id(), "awake"), Err(Fault::Changed));
        assert_eq!(end_process(sleeper.id(), name), Ok(()));
        // It would not have ended by itself while its input is open. (An ended process exits with 0 under Wine.)
        sleeper.wait().unwrap();
        drop(words);
        assert_eq!(end_process(u32::MAX - 7, name), Err(Fault::NotFound));
    }
}
