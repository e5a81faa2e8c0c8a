// Decoders of pictures: the browser's own, or the one that Deskside includes (wasm_engine.ts).

import type { Frame } from './frames';
import { formatOf, type PictureFormat } from './sequence';
import { WasmEngine } from './wasm_engine';
import type { Painter } from './painter';

export type Picture = Extract<Frame, { kind: 'picture' }>;

/** The decoder: the browser's with a codec string, or the one that pages include. */
export type DecoderChoice = { is: 'browser'; codec: string } | { is: 'wasm' };

/** A decoded picture. */
export interface Decoded {
  seq: number;
  width: number;
  height: number;
  format: PictureFormat;
  /** Paints it onto the canvas. */
  paint(painter: Pick<Painter, 'paint' | 'put'>): Promise<void> | void;
  /** Frees its memory. */
  close(): void;
}

export interface EngineEvents {
  decoded(picture: Decoded): void;
  /** It lost its state and cannot be used any more. */
  failed(): void;
}

/** Decodes pictures in order, from a keyframe on. */
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
  /** The regions and coding of the pictures in the decoder, by their number. */
  private pending = new Map<number, { regions: Picture['regions']; format: PictureFormat }>();
  /** From the stream: browsers report the coding of a frame differently, so that is useless. */
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
    // The number is passed as the time stamp, which comes back with the picture.
    if (key) this.format = formatOf(data) ?? this.format;
    this.pending.set(seq, { regions, format: this.format });
    const type = key ? 'key' : 'delta';
    this.decoder.decode(new EncodedVideoChunk({ type, timestamp: seq, data: data as Uint8Array<ArrayBuffer> }));
  }

  close() {
    if (this.decoder.state === 'configured') this.decoder.close();
  }
}
