// The decoder that pages include: libaom in WebAssembly (console/decoder), in a worker.

import type { PictureFormat } from './sequence';
import type { Region } from './painter';

export interface Order {
  seq: number;
  /** Outside of these nothing changed; without regions everything did. */
  regions: Region[];
  data: Uint8Array<ArrayBuffer>;
}
/** A part of a picture as RGBA. */
export interface Part extends Region {
  pixels: Uint8ClampedArray<ArrayBuffer>;
}
export interface Answer {
  /** Null if it cannot be decoded. */
  picture: { seq: number; width: number; height: number; format: PictureFormat; parts: Part[] } | null;
}

/** The exports of console/decoder/decoder.c. */
interface Decoder {
  memory: WebAssembly.Memory;
  _initialize(): void;
  room(size: number): number;
  decode(size: number): number;
  width(): number;
  height(): number;
  gbr(): number;
  pixels(x: number, y: number, columns: number, rows: number): number;
}

/** libaom could write error messages to a console; there is none. */
const nowhere = { fd_write: () => 0, fd_seek: () => 0, fd_close: () => 0 };

/** The page sends the compiled decoder once, before or after the first pictures. */
let begin: (module: WebAssembly.Module) => void;
const decoder = new Promise<WebAssembly.Module>((resolve) => (begin = resolve)).then(async (module) => {
  const { exports } = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: nowhere });
  const decoder = exports as unknown as Decoder;
  decoder._initialize();
  return decoder;
});

let size = { width: 0, height: 0 };

function decode(decoder: Decoder, { seq, regions, data }: Order): Answer['picture'] {
  const room = decoder.room(data.length);
  if (!room) return null;
  new Uint8Array(decoder.memory.buffer, room, data.length).set(data);
  if (!decoder.decode(data.length)) return null;
  const [width, height] = [decoder.width(), decoder.height()];
  const all = regions.length === 0 || width !== size.width || height !== size.height;
  size = { width, height };
  const parts: Part[] = [];
  for (const region of all ? [{ x: 0, y: 0, width, height }] : regions) {
    const at = decoder.pixels(region.x, region.y, region.width, region.height);
    if (!at) return null;
    const length = 4 * region.width * region.height;
    parts.push({ ...region, pixels: new Uint8ClampedArray(decoder.memory.buffer, at, length).slice() });
  }
  return { seq, width, height, format: decoder.gbr() ? 'gbr' : 'yuv420', parts };
}

let turn: Promise<void> = Promise.resolve();
onmessage = ({ data }: MessageEvent<WebAssembly.Module | Order>) => {
  if (data instanceof WebAssembly.Module) return begin(data);
  turn = turn.then(async () => {
    // A broken stream traps, and a decoder that has trapped is unusable: the page creates another.
    const picture = await decoder.then((decoder) => decode(decoder, data)).catch(() => null);
    postMessage({ picture } satisfies Answer, { transfer: picture?.parts.map((part) => part.pixels.buffer) ?? [] });
  });
};
