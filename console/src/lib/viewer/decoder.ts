// Decodes pictures onto a canvas.

import type { PictureFormat } from './sequence';
import { engine, type Decoded, type Engine, type DecoderChoice, type Picture } from './engine';
import { Painter } from './painter';
import { Stages } from './stages';

export interface DecoderEvents {
  /** The picture is on the canvas. */
  drawn(seq: number, width: number, height: number): void;
  /** The decoder lost its state and needs a keyframe. */
  lost(): void;
  /** The decoder failed repeatedly. */
  hopeless(): void;
}

/** After this many failures without a picture in between, another keyframe is useless. */
const MOST_FAILURES = 3;

export class Decoder {
  private engine: Engine | null = null;
  private waitsForKey = true;
  /** Frames in the engine, by number, with the time when they were passed to it. */
  private pending = new Map<number, { picture: Picture; since: number }>();
  private painter: Painter;
  private painting: Promise<void> = Promise.resolve();
  private choice: DecoderChoice | null = null;
  private failures = 0;
  readonly stages = new Stages();
  /** The coding of the newest picture. */
  format: PictureFormat | null = null;

  constructor(
    canvas: HTMLCanvasElement,
    private events: DecoderEvents
  ) {
    this.painter = new Painter(canvas);
  }

  /** Decodes further frames with this choice. */
  use(choice: DecoderChoice) {
    if (choice === this.choice) return;
    this.reset();
    this.choice = choice;
    this.failures = 0;
  }

  decode(picture: Picture) {
    if (!this.choice || (this.waitsForKey && !picture.key)) return;
    this.pending.set(picture.seq, { picture, since: performance.now() });
    try {
      this.engine ??= this.start(this.choice);
      this.waitsForKey = false;
      this.engine.decode(picture);
    } catch {
      this.fail();
    }
  }

  private start(choice: DecoderChoice): Engine {
    const started: Engine = engine(choice, {
      decoded: (picture) => this.draw(picture),
      failed: () => started === this.engine && this.fail()
    });
    return started;
  }

  /** Pictures are painted in the order in which they were decoded. */
  private draw(decodedPicture: Decoded) {
    const { seq, width, height, format } = decodedPicture;
    const pending = this.pending.get(seq);
    this.pending.delete(seq);
    const decoded = performance.now();
    this.painting = this.painting.then(async () => {
      try {
        await decodedPicture.paint(this.painter);
      } catch {
        return this.fail();
      } finally {
        decodedPicture.close();
      }
      this.failures = 0;
      this.format = format;
      const now = performance.now();
      // Nobody waits for refinement: it is sent when there is nothing else to do. A keyframe is a start.
      if (pending && !pending.picture.refines && !pending.picture.key) {
        const { picture, since } = pending;
        const times = { read: picture.read, encode: picture.encoded, decode: decoded - since, draw: now - decoded };
        this.stages.add(now, picture.data.length, times);
      }
      this.events.drawn(seq, width, height);
    });
  }

  /** The decoder lost its state, as after a long time in the background: a keyframe restores it. */
  private fail() {
    this.reset();
    this.failures += 1;
    if (this.failures > MOST_FAILURES) this.events.hopeless();
    else this.events.lost();
  }

  /** Resets for the next screen share. */
  reset() {
    this.engine?.close();
    this.engine = null;
    this.waitsForKey = true;
    this.pending.clear();
  }
}
