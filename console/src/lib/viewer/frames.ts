// The frames of a screen stream: see docs/protocol.md for the header.

import { concat } from '../api/wire';

export const HEADER_BYTES = 18;
const LARGEST_PAYLOAD = 32 * 1024 * 1024;

export type Frame =
  | {
      kind: 'picture';
      key: boolean;
      lossless: boolean;
      seq: number;
      time: number;
      width: number;
      height: number;
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
    if (!(await fill(HEADER_BYTES + length))) return;
    const buffer = pieces[0]!;
    const frame = parse(buffer.subarray(0, HEADER_BYTES + length));
    pieces = [buffer.subarray(HEADER_BYTES + length)];
    have = pieces[0]!.length;
    if (frame) take(frame);
  }
}

function lengthOf(header: Uint8Array<ArrayBufferLike>): number {
  const length = new DataView(header.buffer, header.byteOffset).getUint32(14);
  if (length > LARGEST_PAYLOAD) throw new Error('a frame is too large');
  return length;
}

/** One whole frame; null for a kind that this page does not know. */
export function parse(bytes: Uint8Array<ArrayBufferLike>): Frame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [kind, flags, seq, time] = [view.getUint8(0), view.getUint8(1), view.getUint32(6), view.getUint32(10)];
  const payload = bytes.subarray(HEADER_BYTES);
  switch (kind) {
    case 1: {
      const [width, height] = [view.getUint16(2), view.getUint16(4)];
      return {
        kind: 'picture',
        key: (flags & 1) === 1,
        lossless: (flags & 2) === 2,
        seq,
        time,
        width,
        height,
        data: concat(payload, new Uint8Array(0))
      };
    }
    case 2: {
      const [hotX, hotY, width, height] = [18, 20, 22, 24].map((at) => view.getUint16(at)) as [
        number,
        number,
        number,
        number
      ];
      return { kind: 'shape', hotX, hotY, width, height, rgba: new Uint8ClampedArray(payload.slice(8)), seq };
    }
    case 3:
      return { kind: 'at', x: view.getUint16(18), y: view.getUint16(20), seq };
    default:
      return null;
  }
}
