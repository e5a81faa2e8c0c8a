// The frames of a screen stream: see docs/protocol.md for the header.

import { concat } from '$lib/api/wire';
import type { Region } from './painter';

export const HEADER_BYTES = 23;
const REGION_BYTES = 8;
/** Hot spot, width and height of a pointer's shape, before its pixels. */
const SHAPE_HEAD = 8;
const MOST_REGIONS = 8;
const LARGEST_PAYLOAD = 32 * 1024 * 1024;

export type Frame =
  | {
      kind: 'picture';
      key: boolean;
      refines: boolean;
      seq: number;
      time: number;
      width: number;
      height: number;
      /** How long the customer's program took to read and to encode, in milliseconds. */
      read: number;
      encoded: number;
      /** Outside of these nothing changed; without regions everything did. */
      regions: Region[];
      data: Uint8Array<ArrayBufferLike>;
    }
  | {
      kind: 'shape';
      hotX: number;
      hotY: number;
      width: number;
      height: number;
      rgba: Uint8ClampedArray<ArrayBuffer>;
      seq: number;
    }
  | { kind: 'at'; x: number; y: number; seq: number };

/** Reads frames until the stream ends. */
export async function readFrames(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  rest: Uint8Array<ArrayBufferLike>,
  take: (frame: Frame) => void
): Promise<void> {
  let pieces: Uint8Array<ArrayBufferLike>[] = [rest];
  let have = rest.length;
  const fill = async (need: number): Promise<boolean> => {
    while (have < need) {
      const { value, done } = await reader.read();
      if (done) return false;
      pieces.push(value);
      have += value.length;
    }
    if (pieces.length > 1) {
      const all = new Uint8Array(have);
      let at = 0;
      for (const piece of pieces) {
        all.set(piece, at);
        at += piece.length;
      }
      pieces = [all];
    }
    return true;
  };
  for (;;) {
    if (!(await fill(HEADER_BYTES))) return;
    const length = lengthOf(pieces[0]!);
    if (!(await fill(length))) return;
    const buffer = pieces[0]!;
    const frame = parse(buffer.subarray(0, length));
    pieces = [buffer.subarray(length)];
    have = pieces[0]!.length;
    if (frame) take(frame);
  }
}

/** The length of the whole frame: header, regions and payload. */
function lengthOf(header: Uint8Array<ArrayBufferLike>): number {
  const view = new DataView(header.buffer, header.byteOffset);
  const [payload, regions] = [view.getUint32(14), view.getUint8(22)];
  if (payload > LARGEST_PAYLOAD || regions > MOST_REGIONS) throw new Error('a frame is too large');
  return HEADER_BYTES + regions * REGION_BYTES + payload;
}

/** Parses a frame; null for an unknown kind or an invalid pointer. */
export function parse(bytes: Uint8Array<ArrayBufferLike>): Frame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [kind, flags, seq, time] = [view.getUint8(0), view.getUint8(1), view.getUint32(6), view.getUint32(10)];
  const u16 = (at: number) => view.getUint16(at);
  const start = HEADER_BYTES + view.getUint8(22) * REGION_BYTES;
  const payload = bytes.subarray(start);
  switch (kind) {
    case 1: {
      const [width, height] = [u16(2), u16(4)];
      const regions: Region[] = [];
      for (let at = HEADER_BYTES; at < start; at += REGION_BYTES) {
        const region = { x: u16(at), y: u16(at + 2), width: u16(at + 4), height: u16(at + 6) };
        const inside = region.x + region.width <= width && region.y + region.height <= height;
        // An invalid region: everything is drawn instead.
        if (!inside || region.width === 0 || region.height === 0) {
          regions.length = 0;
          break;
        }
        regions.push(region);
      }
      return {
        kind: 'picture',
        key: (flags & 1) === 1,
        refines: (flags & 2) === 2,
        seq,
        time,
        width,
        height,
        read: u16(18) / 10,
        encoded: u16(20) / 10,
        regions,
        data: concat(payload, new Uint8Array(0))
      };
    }
    case 2: {
      if (payload.length < SHAPE_HEAD) return null;
      const [hotX, hotY, width, height] = [0, 2, 4, 6].map((at) => u16(start + at)) as [number, number, number, number];
      if (width === 0 || height === 0 || payload.length !== SHAPE_HEAD + 4 * width * height) return null;
      return { kind: 'shape', hotX, hotY, width, height, rgba: new Uint8ClampedArray(payload.slice(SHAPE_HEAD)), seq };
    }
    case 3:
      if (payload.length !== 4) return null;
      return { kind: 'at', x: u16(start), y: u16(start + 2), seq };
    default:
      return null;
  }
}
