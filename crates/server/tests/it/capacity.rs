//! How many sessions one server carries: `cargo test --release -p server -- --ignored --nocapture capacity`. The
//! customers and technicians are this process, on the same cores as the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::{FrameKind, HEADER_BYTES, Header, Right};
use screen::{Coder, Rect};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    stage::{Peer, Stage},
    wire::{grant, pair},
};

/// A moving screen: what scrolling text takes, thirty times a second.
const FRAME: usize = 16_000;
const FRAME_TIME: Duration = Duration::from_millis(33);
const RUN: Duration = Duration::from_secs(6);

fn frame(kind: FrameKind, seq: u32, time: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let header = Header { kind, width: 64, height: 64, seq, time, length, read: 0, encoded: 0, regions: 0 };
    [&header.to_bytes()[..], payload].concat()
}

fn key() -> Vec<u8> {
    let mut coder = Coder::new(64, 64, 1).unwrap();
    coder.update(1, Rect { x: 0, y: 0, width: 64, height: 64 }, &[0; 64 * 64 * 4]);
    coder.next(1).unwrap().unwrap().data
}

/// The customer's side: frames at their times until it is told to stop.
async fn send(customer: Peer, begun: Instant, moving: bool, stop: Arc<AtomicBool>) {
    let now = || begun.elapsed().as_micros() as u32;
    let first = frame(FrameKind::Picture { key: true, lossless: false }, 1, now(), &key());
    let mut stream = customer.stream(&[b"S".as_slice(), &first].concat()).await;
    let payload = vec![7; FRAME];
    let mut seq = 1;
    let mut ticks = tokio::time::interval(FRAME_TIME);
    while !stop.load(Relaxed) {
        ticks.tick().await;
        if moving {
            seq += 1;
            let kind = FrameKind::Picture { key: false, lossless: false };
            if stream.write_all(&frame(kind, seq, now(), &payload)).await.is_err() {
                return;
            }
        }
    }
}

/// The technician's side: how long each frame took, in microseconds.
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

async fn run(count: usize, moving: bool) -> (f64, f64, f64, u64) {
    let stage = Stage::open("capacity");
    let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let (mut senders, mut receivers) = (vec![], vec![]);
    for _ in 0..count {
        let (mut technician, mut customer) = pair(&stage).await;
        grant(&mut technician, &mut customer, &[Right::View]).await;
        senders.push(tokio::spawn(send(customer, begun, moving, stop.clone())));
        receivers.push(tokio::spawn(receive(technician, begun, stop.clone())));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, at) = (stage.cpu_seconds(), Instant::now());
    tokio::time::sleep(RUN).await;
    let share = (stage.cpu_seconds() - before) / at.elapsed().as_secs_f64();
    let memory = stage.resident_kib();
    stop.store(true, Relaxed);
    let mut times = Vec::new();
    for receiver in receivers {
        times.extend(receiver.await.unwrap());
    }
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).map_or(0.0, |us| f64::from(*us) / 1_000.0);
    (at(0.5), at(0.95), share, memory)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn capacity() {
    println!(
        "| sessions | screens | latency p50 / p95 ms | server's CPU, cores | server resident MiB |\n|---|---|---|---|---|"
    );
    for (count, moving) in
        [(1, true), (5, true), (10, true), (20, true), (40, true), (60, true), (10, false), (100, false), (200, false)]
    {
        let (p50, p95, share, memory) = run(count, moving).await;
        let kind = if moving { "moving" } else { "still" };
        println!("| {count} | {kind} | {p50:.1} / {p95:.1} | {share:.2} | {} |", memory / 1024);
    }
}
