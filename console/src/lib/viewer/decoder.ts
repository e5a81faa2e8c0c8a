// Coded pictures to a canvas. Decoded in software: no graphics card decodes AV1 profile 1.

import type { Frame } from './frames';
import { Painter } from './painter';
import { Stages } from './stages';

type Picture = Extract<Frame, { kind: 'picture' }>;

export interface DecoderEvents {
  /** The picture is on the canvas. */
  drawn(seq: number, width: number, height: number): void;
  /** The decoder lost its state: only a keyframe helps. */
  lost(): void;
  /** The decoder failed again and again. */
  hopeless(): void;
}

/** After so many failures without a picture between them another keyframe is of no use. */
const MOST_FAILURES = 3;

export class Decoder {
  private decoder: VideoDecoder | null = null;
  private waitsForKey = true;
  /** What was given to the decoder and has not come back, by number, and since when. */
  private pending = new Map<number, { picture: Picture; since: number }>();
  private painter: Painter;
  private painting: Promise<void> = Promise.resolve();
  private codec = '';
  private failures = 0;
  readonly stages = new Stages();

  constructor(
    canvas: HTMLCanvasElement,
    private events: DecoderEvents
  ) {
    this.painter = new Painter(canvas);
  }

  /** Decodes what comes from now on under this codec string. */
  use(codec: string) {
    if (codec !== this.codec) this.reset();
    this.codec = codec;
  }

  decode(picture: Picture) {
    if (this.waitsForKey && !picture.key) return;
    // The number travels as the time stamp: it comes back with the picture.
    this.pending.set(picture.seq, { picture, since: performance.now() });
    const type = picture.key ? 'key' : 'delta';
    try {
      if (picture.key) this.start();
      this.waitsForKey = false;
      this.decoder!.decode(
        new EncodedVideoChunk({ type, timestamp: picture.seq, data: picture.data as Uint8Array<ArrayBuffer> })
      );
    } catch {
      this.fail();
    }
  }

  private start() {
    if (this.decoder?.state === 'configured') return;
    this.decoder = new VideoDecoder({
      output: (frame) => this.draw(frame),
      error: () => this.fail()
    });
    this.decoder.configure({ codec: this.codec, optimizeForLatency: true, hardwareAcceleration: 'prefer-software' });
  }

  /** Pictures are painted one after another, in the order in which they were decoded. */
  private draw(frame: VideoFrame) {
    const pending = this.pending.get(frame.timestamp);
    this.pending.delete(frame.timestamp);
    const decoded = performance.now();
    const { displayWidth, displayHeight, timestamp } = frame;
    this.painting = this.painting.then(async () => {
      try {
        await this.painter.paint(frame, pending?.picture.regions ?? []);
      } catch {
        return this.fail();
      } finally {
        frame.close();
      }
      this.failures = 0;
      const now = performance.now();
      // Refinement is nobody's wait: it comes when nothing else is to do. A keyframe is a beginning.
      if (pending && !pending.picture.lossless && !pending.picture.key) {
        const { picture, since } = pending;
        const times = { read: picture.read, encode: picture.encoded, decode: decoded - since, draw: now - decoded };
        this.stages.add(now, picture.data.length, times);
      }
      this.events.drawn(timestamp, displayWidth, displayHeight);
    });
  }

  /** The decoder lost its state, as one does when its tab was long in the background: a keyframe brings it back. */
  private fail() {
    this.decoder = null;
    this.waitsForKey = true;
    this.pending.clear();
    this.failures += 1;
    if (this.failures > MOST_FAILURES) this.events.hopeless();
    else this.events.lost();
  }

  /** The next sharing starts anew. */
  reset() {
    if (this.decoder?.state === 'configured') this.decoder.close();
    this.decoder = null;
    this.waitsForKey = true;
    this.pending.clear();
  }
}
