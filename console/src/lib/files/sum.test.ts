import { describe, expect, it } from 'vitest';
import { BLOCK, BlockSum } from './sum';

const sha = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');

describe('the block sum', () => {
  it.each([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])(
    'of %i bytes does not depend on the pieces',
    async (length) => {
      const content = new Uint8Array(length).map((_, n) => n % 251);
      const sum = new BlockSum();
      for (let at = 0; at < length; at += 1_000_003) sum.update(content.subarray(at, at + 1_000_003));
      const blocks: number[] = [];
      for (let at = 0; at < length; at += BLOCK) blocks.push(...(await sha(content.slice(at, at + BLOCK))));
      expect(await sum.sum()).toBe(hex(await sha(new Uint8Array(blocks))));
    }
  );
});
