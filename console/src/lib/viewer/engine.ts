// What decodes pictures: the browser's own decoder, or the one that Deskside brings along (wasm_engine.ts).

import type { PictureFormat } from '$lib/api/types/PictureFormat';
import type { Frame } from './frames';
import { WasmEngine } from './wasm_engine';
import { formatOf } from './sequence';
import type { Painter } from './painter';

export type Picture = Extract<Frame, { kind: 'picture' }>;

/** Who decodes: the browser under a codec string, or the decoder that pages bring along. */
export type DecoderChoice = { is: 'browser'; codec: string } | { is: 'wasm' };

/** A decoded picture. */
export interface Decoded {
  seq: number;
  width: number;
  height: number;
  format: PictureFormat;
  /** Puts it onto the canvas. */
  paint(painter: Pick<Painter, 'paint' | 'put'>): Promise<void> | void;
  /** Gives its memory back. */
  close(): void;
}

export interface EngineEvents {
  decoded(picture: Decoded): void;
  /** It lost its state, and is of no more use. */
  failed(): void;
}

/** Decodes pictures in their order, from a keyframe on. */
export interface Engine {
  decode(picture: Picture): void;
  close(): void;
}

export function engine(choice: DecoderChoice, events: EngineEvents): Engine {
  return choice.is === 'wasm' ? new WasmEngine(events) : new BrowserEngine(choice.codec, events);
}

export const configuration = (codec: string): VideoDecoderConfig => ({
  codec,
  optimizeForLatency: true,
  // No graphics card decodes AV1 profile 1.
  hardwareAcceleration: 'prefer-software'
});

class BrowserEngine implements Engine {
  private decoder: VideoDecoder;
  /** What changed in the pictures that are being decoded, and how they are coded, by their number. */
  private pending = new Map<number, { regions: Picture['regions']; format: PictureFormat }>();
  /** As the stream says: what a browser makes of a frame differs, and tells nothing. */
  private format: PictureFormat = 'yuv420';

  constructor(codec: string, events: EngineEvents) {
    this.decoder = new VideoDecoder({
      output: (frame) => {
        const { regions, format } = this.pending.get(frame.timestamp) ?? { regions: [], format: this.format };
        this.pending.delete(frame.timestamp);
        events.decoded({
          seq: frame.timestamp,
          width: frame.displayWidth,
          height: frame.displayHeight,
          format,
          paint: (painter) => painter.paint(frame, regions),
          close: () => frame.close()
        });
      },
      error: () => events.failed()
    });
    this.decoder.configure(configuration(codec));
  }

  decode({ key, seq, regions, data }: Picture) {
    // The number travels as the time stamp: it comes back with the picture.
    if (key) this.format = formatOf(data) ?? this.format;
    this.pending.set(seq, { regions, format: this.format });
    const type = key ? 'key' : 'delta';
    this.decoder.decode(new EncodedVideoChunk({ type, timestamp: seq, data: data as Uint8Array<ArrayBuffer> }));
  }

  close() {
    if (this.decoder.state === 'configured') this.decoder.close();
  }
}
