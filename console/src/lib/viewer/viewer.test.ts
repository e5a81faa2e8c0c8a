import { describe, expect, it } from 'vitest';
import { parse } from './frames';
import { formatOf } from './sequence';

describe('parse', () => {
  it('reads each byte of a header as docs/protocol.md names it', () => {
    const bytes = new Uint8Array([
      1, 0b01, 0x07, 0x80, 0x04, 0x38, 0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 2, 0, 5, 0, 42, 1, 0, 1, 0, 2, 0, 3, 0, 4, 0xaa,
      0xbb
    ]);
    expect(parse(bytes)).toEqual({
      kind: 'picture',
      key: true,
      refines: false,
      seq: 9,
      time: 256,
      width: 1920,
      height: 1080,
      read: 0.5,
      encoded: 4.2,
      regions: [{ x: 1, y: 2, width: 3, height: 4 }],
      data: new Uint8Array([0xaa, 0xbb])
    });
  });
  const pointer = (kind: number, payload: number[]) =>
    parse(new Uint8Array([kind, 0, 0, 64, 0, 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...payload]));
  it.each([
    ['a shape of one byte', 2, [1]],
    ['a shape without its pixels', 2, [0, 0, 0, 0, 0, 1, 0, 1]],
    ['a shape of another size', 2, [0, 0, 0, 0, 0, 1, 0, 2, 9, 9, 9, 9]],
    ['a shape that is nowhere', 2, [0, 0, 0, 0, 0, 0, 0, 0]],
    ['a point of two bytes', 3, [0, 1]],
    ['a point of nothing', 3, []]
  ])('%s is no pointer', (_, kind, payload) => expect(pointer(kind, payload)).toBeNull());
  it('reads a pointer’s shape and point', () => {
    const rgba = new Uint8ClampedArray([1, 2, 3, 4]);
    const shape = { kind: 'shape', hotX: 0, hotY: 0, width: 1, height: 1, rgba, seq: 1 };
    expect(pointer(2, [0, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4])).toEqual(shape);
    expect(pointer(3, [0, 5, 1, 0])).toEqual({ kind: 'at', x: 5, y: 256, seq: 1 });
  });
  it('does not know what it does not know', () => expect(parse(new Uint8Array(200).fill(9))).toBeNull());
});

describe('formatOf', () => {
  const bytes = (hex: string) => Uint8Array.from(hex.match(/../g)!, (digits) => parseInt(digits, 16));
  it.each([
    // A temporal delimiter, then a sequence header of profile 1, as the test picture of probe.ts begins.
    ['12000a0c20000002afff80308086801032990314', 'gbr'],
    ['12000a0b00000002afff9b5f30081032990314', 'yuv420'],
    // Without sizes, only the header follows.
    ['0820', 'gbr'],
    // A frame alone, a truncated header, nothing.
    ['32021111', null],
    ['0a00', null],
    ['0a', null],
    ['', null]
  ])('%s', (hex, format) => expect(formatOf(bytes(hex || '00').slice(0, hex.length / 2))).toBe(format));
});
