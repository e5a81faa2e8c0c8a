// A customer's browser shares its screen: chosen in the browser's dialog, coded by the browser, paced by what the
// viewers have drawn, and sent in the same way as by the support program.

import type { SessionConnection } from '$lib/session/connection.svelte';
import { HEADER_BYTES } from '$lib/viewer/frames';
import { Marks } from './annotations';
import { framesOf, givesFrames, type Frames } from './tracks';

/** AV1 4:2:0, which every viewer shows. */
const CODEC = 'av01.0.08M.08';
/** Coarse during motion, fine when it stands still. Of 0 to 63. */
const MOVING = 40;
const STILL = 12;
/** A screen that has not changed for this long is coded once more, finely. */
const SETTLED = 350;
/** The most pictures in flight to the viewers. */
const UNDER_WAY = 3;
/** Larger screens are scaled down. */
const LARGEST = { width: 2560, height: 1600 };
const FRAMES = 30;

/** How pictures are coded: each with its own quantiser, or by bit rate where a browser lacks that. */
type Rate = { bitrateMode: 'quantizer' } | { bitrateMode: 'variable'; bitrate: number };
const RATES: Rate[] = [{ bitrateMode: 'quantizer' }, { bitrateMode: 'variable', bitrate: 4_000_000 }];

const configuration = (width: number, height: number, rate: Rate): VideoEncoderConfig => ({
  codec: CODEC,
  width,
  height,
  framerate: FRAMES,
  latencyMode: 'realtime',
  hardwareAcceleration: 'prefer-software',
  ...rate
});

let rate: Promise<Rate | null> | undefined;
/** The best encoder configuration of this browser; null if it has none or cannot share at all. */
function coding(): Promise<Rate | null> {
  rate ??= (async () => {
    if (typeof navigator.mediaDevices?.getDisplayMedia !== 'function') return null;
    if (typeof VideoEncoder === 'undefined' || !givesFrames()) return null;
    for (const rate of RATES) {
      const said = await VideoEncoder.isConfigSupported(configuration(1280, 800, rate)).catch(() => null);
      if (said?.supported) return rate;
    }
    return null;
  })();
  return rate;
}

/** Whether this browser can share its screen: checked before anybody is asked. */
export const canShare = async () => (await coding()) !== null;

/** Opens the browser's dialog to choose what to share. */
export function choose(): Promise<MediaStream> {
  return navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: { max: FRAMES }, width: { max: LARGEST.width }, height: { max: LARGEST.height } },
    audio: false
  });
}

/** The header of a picture: see docs/protocol.md. */
export function header(
  key: boolean,
  width: number,
  height: number,
  seq: number,
  time: number,
  length: number,
  encoded: number
) {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, key ? 1 : 0);
  view.setUint16(2, width);
  view.setUint16(4, height);
  view.setUint32(6, seq);
  view.setUint32(10, time);
  view.setUint32(14, length);
  view.setUint16(18, 0);
  view.setUint16(20, Math.min(65_535, Math.round(encoded * 10)));
  view.setUint8(22, 0);
  return bytes;
}

export class Sharing {
  paused = false;
  private encoder: VideoEncoder | null = null;
  private newest: VideoFrame | null = null;
  private changed = false;
  private fine = false;
  private key = true;
  private seq = 0;
  private drawn = 0;
  private size = { width: 0, height: 0 };
  private started = performance.now();
  private begun = new Map<number, number>();
  private writer: Promise<WritableStreamDefaultWriter<Uint8Array>> | null = null;
  private sending: Promise<unknown> = Promise.resolve();
  private settle: ReturnType<typeof setTimeout> | undefined;
  private over = false;
  private frames: Frames;
  private rate: Rate | null = null;
  private marks = new Marks(() => {
    this.changed = true;
    this.encode();
    if (this.newest && !this.over) this.pointed(this.marks.any ? this.marks.on(this.newest) : null);
  });

  /** `pointed` receives a screenshot with the drawings of technicians, until they have faded. */
  constructor(
    private connection: SessionConnection,
    private stream: MediaStream,
    private pointed: (at: OffscreenCanvas | null) => void,
    private ended: () => void
  ) {
    const [track] = stream.getVideoTracks();
    if (!track) throw new Error('nothing was chosen');
    track.contentHint = 'text';
    track.addEventListener('ended', () => this.stop(true));
    connection.sharing = {
      drawn: (seq) => this.acknowledged(seq),
      keyframe: () => this.keyframe(),
      annotate: (mark) => this.marks.draw(mark)
    };
    this.frames = framesOf(
      track,
      (frame) => this.show(frame),
      () => this.stop(true)
    );
    void coding().then((rate) => {
      this.rate = rate ?? this.rate;
      this.encode();
    });
  }

  private show(frame: VideoFrame) {
    if (this.over) return frame.close();
    this.newest?.close();
    this.newest = frame;
    this.changed = true;
    this.encode();
  }

  private acknowledged(seq: number) {
    this.drawn = Math.max(this.drawn, seq);
    this.encode();
  }

  private keyframe() {
    // After a lost connection, pictures in flight no longer count.
    this.key = true;
    this.drawn = this.seq;
    this.encode();
  }

  /** A new connection starts with a keyframe. */
  again() {
    this.writer = null;
    this.keyframe();
  }

  private encode() {
    const frame = this.newest;
    if (!frame || !this.rate || this.over || this.paused || !(this.changed || this.key || this.fine)) return;
    if (this.seq - this.drawn >= UNDER_WAY || (this.encoder?.encodeQueueSize ?? 0) > 1) return;
    // 4:2:0 needs even sizes.
    const [width, height] = [frame.displayWidth & ~1, frame.displayHeight & ~1];
    if (!this.encoder || this.size.width !== width || this.size.height !== height) this.configure(width, height);
    const quantizer = this.fine && !this.changed ? STILL : MOVING;
    const time = Math.round((performance.now() - this.started) * 1000);
    const copy = new VideoFrame(this.marks.any ? this.marks.on(frame) : frame, { timestamp: time });
    this.begun.set(time, performance.now());
    const options = this.rate.bitrateMode === 'quantizer' ? { av1: { quantizer } } : {};
    this.encoder!.encode(copy, { keyFrame: this.key, ...options } as VideoEncoderEncodeOptions);
    copy.close();
    this.seq += 1;
    clearTimeout(this.settle);
    if (quantizer === MOVING) this.settle = setTimeout(() => ((this.fine = true), this.encode()), SETTLED);
    [this.changed, this.key, this.fine] = [false, false, false];
  }

  private configure(width: number, height: number) {
    this.encoder?.close();
    this.size = { width, height };
    this.key = true;
    this.encoder = new VideoEncoder({
      output: (chunk) => this.send(chunk, width, height),
      error: () => this.stop(true)
    });
    this.encoder.configure(configuration(width, height, this.rate!));
    this.sent = this.seq;
  }

  private sent = 0;
  private send(chunk: EncodedVideoChunk, width: number, height: number) {
    const key = chunk.type === 'key';
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    const took = performance.now() - (this.begun.get(chunk.timestamp) ?? performance.now());
    this.begun.delete(chunk.timestamp);
    const seq = (this.sent += 1);
    const head = header(key, width, height, seq, Math.round(chunk.timestamp / 1000), data.length, took);
    this.sending = this.sending.then(() => this.write(key, head, data)).catch(() => (this.writer = null));
    this.encode();
  }

  private async write(key: boolean, head: Uint8Array, data: Uint8Array) {
    if (key) {
      const before = this.writer;
      this.writer = this.connection.openScreenStream();
      void before?.then((w) => w.close()).catch(() => undefined);
    }
    const writer = await this.writer;
    await writer?.write(head);
    await writer?.write(data);
  }

  /** Stops at once; `tell` reports it to the session. */
  stop(tell: boolean) {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.settle);
    this.frames.stop();
    for (const track of this.stream.getTracks()) track.stop();
    if (this.encoder?.state !== 'closed') this.encoder?.close();
    this.newest?.close();
    this.connection.sharing = null;
    void this.writer?.then((w) => w.close()).catch(() => undefined);
    if (tell) this.connection.send({ type: 'withdraw', right: 'view' });
    this.ended();
  }
}
