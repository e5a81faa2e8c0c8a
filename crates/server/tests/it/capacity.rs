//! How many sessions a server can carry: `cargo test --release -p server --test it -- --ignored --nocapture capacity`
//! (after `cargo build --release -p server --examples`). Customers and technicians run in this process, on the same
//! cores as the server; for comparison the same bytes go through a relay that only forwards them.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::{FrameKind, HEADER_BYTES, Header, Right};
use screen::{Coder, Rect};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    fixture::{Fixture, Peer, cpu_seconds, resident_kib},
    wire::{grant, pair},
};

/// A moving screen: the bytes of scrolling text, thirty times a second.
const FRAME: usize = 16_000;
const FRAME_TIME: Duration = Duration::from_millis(33);
const RUN: Duration = Duration::from_secs(6);

pub(crate) fn frame(kind: FrameKind, seq: u32, time: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let header = Header { kind, width: 64, height: 64, seq, time, length, read: 0, encoded: 0, regions: 0 };
    [&header.to_bytes()[..], payload].concat()
}

pub(crate) fn key() -> Vec<u8> {
    let mut coder = Coder::new(64, 64, 1).unwrap();
    coder.update(1, Rect { x: 0, y: 0, width: 64, height: 64 }, &[0; 64 * 64 * 4]).unwrap();
    coder.next(1).unwrap().unwrap().data
}

/// A delta frame, as far as the server parses it: an OBU of a frame (AV1 specification, 5.3) with its length, whose
/// first bits say that it is not a keyframe.
pub(crate) fn delta() -> Vec<u8> {
    const OBU: [u8; 4] =
        [0x32, 0x80 | ((FRAME - 4) & 0x7f) as u8, 0x80 | ((FRAME - 4) >> 7 & 0x7f) as u8, (FRAME >> 14) as u8];
    let mut bytes = vec![0x30; FRAME];
    bytes[..OBU.len()].copy_from_slice(&OBU);
    bytes
}

/// The customer's side: sends frames at their times until it is stopped.
async fn send(customer: Peer, begun: Instant, moving: bool, stop: Arc<AtomicBool>) {
    let now = || begun.elapsed().as_micros() as u32;
    let first = frame(FrameKind::Picture { key: true, refines: false }, 1, now(), &key());
    let mut stream = customer.stream(&[b"S".as_slice(), &first].concat()).await;
    let payload = delta();
    let mut seq = 1;
    let mut ticks = tokio::time::interval(FRAME_TIME);
    while !stop.load(Relaxed) {
        ticks.tick().await;
        if moving {
            seq += 1;
            let kind = FrameKind::Picture { key: false, refines: false };
            if stream.write_all(&frame(kind, seq, now(), &payload)).await.is_err() {
                return;
            }
        }
    }
}

/// The technician's side: returns the latency of each frame in microseconds.
async fn receive(technician: Peer, begun: Instant, stop: Arc<AtomicBool>) -> Vec<u32> {
    let mut times = Vec::new();
    let Ok(mut stream) = technician.session.accept_uni().await else { return times };
    let mut buffer = Vec::new();
    let mut start = 1;
    while !stop.load(Relaxed) {
        let chunk = tokio::time::timeout(Duration::from_millis(500), stream.read_chunk(256 * 1024)).await;
        let Ok(Ok(Some(bytes))) = chunk else { continue };
        buffer.extend_from_slice(&bytes);
        while let Some(head) = buffer.get(start..).and_then(|b| b.first_chunk::<HEADER_BYTES>()) {
            let header = Header::from_bytes(head).unwrap();
            if buffer.len() < start + header.frame_bytes() {
                break;
            }
            times.push((begun.elapsed().as_micros() as u32).saturating_sub(header.time));
            buffer.drain(..start + header.frame_bytes());
            start = 0;
        }
    }
    times
}

/// The measurements for a number of sessions.
struct Measurement {
    /// Milliseconds.
    p50: f64,
    p95: f64,
    /// The processor use of the server or relay, in cores.
    share: f64,
    resident_kib: u64,
}

impl Measurement {
    fn of(mut times: Vec<u32>, share: f64, resident_kib: u64) -> Self {
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).map_or(0.0, |us| f64::from(*us) / 1_000.0);
        Self { p50: at(0.5), p95: at(0.95), share, resident_kib }
    }
}

async fn run(count: usize, moving: bool) -> Measurement {
    let fixture = Fixture::open("capacity");
    let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let (mut senders, mut receivers) = (vec![], vec![]);
    for _ in 0..count {
        let (mut technician, mut customer) = pair(&fixture).await;
        grant(&mut technician, &mut customer, &[Right::View]).await;
        senders.push(tokio::spawn(send(customer, begun, moving, stop.clone())));
        receivers.push(tokio::spawn(receive(technician, begun, stop.clone())));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, at) = (fixture.cpu_seconds(), Instant::now());
    tokio::time::sleep(RUN).await;
    let share = (fixture.cpu_seconds() - before) / at.elapsed().as_secs_f64();
    let memory = fixture.resident_kib();
    stop.store(true, Relaxed);
    let mut times = Vec::new();
    for receiver in receivers {
        times.extend(receiver.await.unwrap());
    }
    Measurement::of(times, share, memory)
}

/// The same bytes at the same times through a relay that only forwards them.
async fn plain(count: usize) -> Measurement {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("plain-relay");
    let mut relay = Command::new(program).arg(port.to_string()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(relay.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let mut receivers = vec![];
    for n in 0..count as u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let mut taker = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        taker.write_all(&[b'S', a, b, c]).await.unwrap();
        taker.read_u8().await.unwrap();
        let mut giver = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        giver.set_nodelay(true).unwrap();
        giver.write_all(&[b'P', a, b, c]).await.unwrap();
        let gone = stop.clone();
        tokio::spawn(async move {
            let (mut ticks, payload) = (tokio::time::interval(FRAME_TIME), vec![7; FRAME]);
            while !gone.load(Relaxed) {
                ticks.tick().await;
                let kind = FrameKind::Picture { key: false, refines: false };
                let bytes = frame(kind, 1, begun.elapsed().as_micros() as u32, &payload);
                if giver.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        receivers.push(tokio::spawn(async move {
            let mut times = Vec::new();
            let mut bytes = vec![0; HEADER_BYTES + FRAME];
            // The sender ends its side when it is stopped.
            while taker.read_exact(&mut bytes).await.is_ok() {
                let header = Header::from_bytes(bytes.first_chunk().unwrap()).unwrap();
                times.push((begun.elapsed().as_micros() as u32).saturating_sub(header.time));
            }
            times
        }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, at) = (cpu_seconds(relay.id()), Instant::now());
    tokio::time::sleep(RUN).await;
    let share = (cpu_seconds(relay.id()) - before) / at.elapsed().as_secs_f64();
    let memory = resident_kib(relay.id());
    stop.store(true, Relaxed);
    let mut times = Vec::new();
    for receiver in receivers {
        times.extend(receiver.await.unwrap());
    }
    let _ = (relay.kill(), relay.wait());
    Measurement::of(times, share, memory)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn capacity() {
    println!("| sessions | screens | through | latency p50 / p95 ms | its CPU, cores | resident MiB |");
    println!("|---|---|---|---|---|---|");
    let row = |count: usize, screens: &str, through: &str, taken: Measurement| {
        let Measurement { p50, p95, share, resident_kib } = taken;
        let memory = resident_kib / 1024;
        println!("| {count} | {screens} | {through} | {p50:.1} / {p95:.1} | {share:.2} | {memory} |");
    };
    for count in [1, 10, 20, 40, 60, 100, 150] {
        row(count, "moving", "Deskside", run(count, true).await);
        row(count, "moving", "plain TCP relay", plain(count).await);
    }
    for count in [100, 200] {
        row(count, "still", "Deskside", run(count, false).await);
    }
}
