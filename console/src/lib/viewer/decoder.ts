// Coded pictures to a canvas. AV1 4:4:4 in GBR, decoded in software: no graphics card decodes AV1 profile 1.

import type { Frame } from './frames';
import { Painter } from './painter';
import { Stages } from './stages';

type Picture = Extract<Frame, { kind: 'picture' }>;

/** Strings for the same stream: Firefox accepts only the second, and decodes it rightly. */
const CODECS = ['av01.1.08M.08', 'av01.0.08M.08'];

export interface DecoderEvents {
  /** The picture is on the canvas. */
  drawn(seq: number, width: number, height: number): void;
  /** The decoder lost its state: only a keyframe helps. */
  lost(): void;
  /** No decoder of this browser takes the stream. */
  unsupported(reason: string): void;
}

export class Decoder {
  private decoder: VideoDecoder | null = null;
  private waitsForKey = true;
  private codec = 0;
  /** What was given to the decoder and has not come back, by number, and since when. */
  private pending = new Map<number, { picture: Picture; since: number }>();
  private painter: Painter;
  private painting: Promise<void> = Promise.resolve();
  readonly stages = new Stages();

  constructor(
    canvas: HTMLCanvasElement,
    private events: DecoderEvents
  ) {
    this.painter = new Painter(canvas);
  }

  decode(picture: Picture) {
    if (typeof VideoDecoder === 'undefined') {
      return this.events.unsupported(
        'This browser cannot decode the screen (no WebCodecs, or the page is not secure).'
      );
    }
    if (picture.key) this.start();
    if (this.waitsForKey && !picture.key) return;
    this.waitsForKey = false;
    // The number travels as the time stamp: it comes back with the picture.
    this.pending.set(picture.seq, { picture, since: performance.now() });
    const type = picture.key ? 'key' : 'delta';
    try {
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
    this.decoder.configure({
      codec: CODECS[this.codec]!,
      optimizeForLatency: true,
      hardwareAcceleration: 'prefer-software'
    });
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
      const now = performance.now();
      // Refinement is nobody's wait: it comes when nothing else is to do.
      if (pending && !pending.picture.lossless) {
        const { picture, since } = pending;
        const times = { read: picture.read, encode: picture.encoded, decode: decoded - since, draw: now - decoded };
        this.stages.add(now, picture.data.length, times);
      }
      this.events.drawn(timestamp, displayWidth, displayHeight);
    });
  }

  /** The next codec string is tried; after the last one the same again, since a decoder may also just be lost. */
  private fail() {
    this.decoder = null;
    this.waitsForKey = true;
    this.pending.clear();
    this.codec = (this.codec + 1) % CODECS.length;
    this.events.lost();
  }

  /** The next sharing starts anew. */
  reset() {
    if (this.decoder?.state === 'configured') this.decoder.close();
    this.decoder = null;
    this.waitsForKey = true;
    this.pending.clear();
  }
}
