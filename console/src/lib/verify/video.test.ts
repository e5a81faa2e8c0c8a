import { describe, expect, it } from 'vitest';
import { compare, pictures } from './video';

/** An EBML element whose length takes `wide` bytes. */
function element(id: number[], body: number[], wide = 1): number[] {
  const size = Array.from({ length: wide }, (_, n) => Math.floor(body.length / 256 ** (wide - 1 - n)) % 256);
  size[0]! |= 1 << (8 - wide);
  return [...id, ...size, ...body];
}
const block = (track: number, ...data: number[]) => element([0xa3], [0x80 | track, 0, 0, 0x80, ...data]);
const video = (...blocks: number[][]) => {
  const cluster = element([0x1f, 0x43, 0xb6, 0x75], [...element([0xe7], [0]), ...blocks.flat()], 8);
  const words = element([0x1a, 0x45, 0xdf, 0xa3], [1, 2, 3]);
  return new Blob([new Uint8Array([...words, ...element([0x18, 0x53, 0x80, 0x67], cluster, 8)])]);
};
const sum = async (content: Blob) => [...new Uint8Array(await content.arrayBuffer())].join(' ');
const segment = (pictures: number, sha256: string) => ({ at: 0, pictures, sha256 });

describe('a video', () => {
  it('gives its pictures, and leaves words and all else out', async () => {
    const all: number[][] = [];
    for await (const p of pictures(video(block(1, 7, 8), block(2, 9), element([0xa0], block(1, 5))))) all.push([...p]);
    expect(all).toEqual([[7, 8], [5]]);
  });

  it('is compared segment by segment', async () => {
    const film = video(block(1, 7), block(1, 8), block(1, 9));
    const whole = [segment(2, '0 0 0 1 7 0 0 0 1 8'), segment(1, '0 0 0 1 9')];
    expect(await compare(film, whole, sum)).toEqual({ wrong: [], more: false });
    expect(await compare(film, [whole[0]!, segment(1, '0 0 0 1 6')], sum)).toEqual({ wrong: [2], more: false });
    expect(await compare(film, [whole[0]!], sum)).toEqual({ wrong: [], more: true });
    expect(await compare(film, [...whole, segment(1, '')], sum)).toEqual({ wrong: [3], more: false });
  });

  it('that is cut off or nonsense ends where it does', async () => {
    const film = video(block(1, 7), block(1, 8));
    for (let length = 0; length < film.size; length++) {
      const found = await compare(film.slice(0, length), [segment(2, '0 0 0 1 7 0 0 0 1 8')], sum);
      expect(found.wrong).toEqual([1]);
    }
    expect(await compare(new Blob([new Uint8Array(50).fill(255)]), [segment(1, '')], sum)).toEqual({
      wrong: [1],
      more: false
    });
  });
});
