//! The demo: a server with people and incidents, and a sample customer's desktop to help.

mod customer_view;
mod sample;
mod seed;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{cargo, ci, root, setup};

/// The address of the demo's server.
pub const SERVER: &str = "http://localhost:8470";
const SERVER_PORT: u16 = 8470;
/// The port of the customer's page.
pub const CUSTOMER_VIEW_PORT: u16 = 8471;
/// The port that serves the desktop's picture to the customer's page.
pub const VNC_PORT: u16 = 8472;

/// Installs, builds, starts, and waits for Ctrl-C.
pub fn run() -> anyhow::Result<()> {
    setup::run(&setup::ALL)?;
    build()?;
    for port in [SERVER_PORT, CUSTOMER_VIEW_PORT, VNC_PORT] {
        anyhow::ensure!(
            TcpStream::connect(("127.0.0.1", port)).is_err(),
            "port {port} is taken: is a demo running already?"
        );
    }
    let data = root().join("target/demo");
    fs::create_dir_all(&data)?;
    let mut children = Children::default();
    let setup_link = start_server(&data, &mut children)?;
    seed::run(setup_link)?;
    let desktop = sample::Desktop::start(&data, &mut children)?;
    let customer_view = customer_view::CustomerView::open(desktop)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stop_requested = stop.clone();
    ctrlc::set_handler(move || stop_requested.store(true, Ordering::SeqCst))?;
    explain();
    customer_view.serve(&stop, &mut children)?;
    println!("\nThe demo ends. Its data stays in target/demo.");
    Ok(())
}

fn build() -> anyhow::Result<()> {
    ci::console()?;
    cargo(&["build", "--workspace"])
}

/// The started processes; dropping this ends all of them.
#[derive(Default)]
pub struct Children(Vec<(String, Child)>);

impl Children {
    /// Starts a program that runs as long as the demo.
    pub fn start(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("{name} cannot be started"))?;
        self.0.push((name, child));
        Ok(())
    }

    /// The name of a program that has ended although the demo needs it.
    pub fn ended(&mut self, needed: &[&str]) -> Option<String> {
        let has_ended = |(name, child): &mut (String, Child)| {
            needed.iter().any(|n| name.ends_with(n)) && child.try_wait().is_ok_and(|status| status.is_some())
        };
        self.0.iter_mut().find_map(|c| has_ended(c).then(|| c.0.clone()))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (_, child) in self.0.iter_mut().rev() {
            // SIGTERM first, so that the server closes its connections.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let end = Instant::now() + Duration::from_secs(4);
            while Instant::now() < end && child.try_wait().is_ok_and(|s| s.is_none()) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts the server and waits until it listens; returns the set-up link's token when the data folder is new.
fn start_server(data: &Path, children: &mut Children) -> anyhow::Result<Option<String>> {
    let target = root().join("target/debug");
    // Customers download the program without debugging symbols.
    let program = data.join("deskside-support");
    let stripped = Command::new("strip").arg("-o").arg(&program).arg(target.join("deskside-support")).status();
    if !stripped.is_ok_and(|s| s.success()) {
        fs::copy(target.join("deskside-support"), &program)?;
    }
    let mut child = Command::new(target.join("deskside-server"))
        .args(["--listen", &format!("127.0.0.1:{SERVER_PORT}")])
        // Webhooks and other receivers that somebody tries with the demo run on this machine, too.
        .args(["--outbound-networks", "127.0.0.0/8,::1", "--data"])
        .arg(data.join("data"))
        .arg("--support-program")
        .arg(&program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server cannot be started")?;
    let lines = BufReader::new(child.stdout.take().context("the server has no output")?).lines();
    children.0.push(("deskside-server".into(), child));
    let (sender, output) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let end = Instant::now() + Duration::from_secs(30);
    let mut up = false;
    let mut token = None;
    while Instant::now() < end {
        match output.recv_timeout(Duration::from_millis(if up { 300 } else { 2_000 })) {
            Ok(line) => {
                up |= line.contains("Deskside is at");
                token = token.or(line.trim().split_once("/setup#").map(|(_, token)| token.to_owned()));
            }
            Err(_) if up => return Ok(token),
            Err(_) => {}
        }
        anyhow::ensure!(children.ended(&["deskside-server"]).is_none(), "the server ended: see above");
    }
    anyhow::bail!("the server did not start in 30 seconds")
}

fn explain() {
    println!(
        "
Deskside is running. Two browser windows make the demo:

  1. You are the technician:  {SERVER}/sign-in
     User name tom, password deskside-demo (eva is the administrator, with the same password).
     Open an incident, press “Generate session key”, and send the mail: it lands in the outbox.

  2. You are the customer:    http://localhost:{CUSTOMER_VIEW_PORT}
     You see the sample customer's desktop and use it. Open the mail's link there with one click,
     or let the sample customer say yes by itself.

Ctrl-C ends all of it. The data stays for the next start.
"
    );
}
