import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { REFUSALS } from './refusals';

const RUST = '../crates/protocol/src/message.rs';

it('says why something is refused in the words of the API', () => {
  const source = readFileSync(RUST, 'utf8').split('pub enum RefusalReason {')[1]!.split('\n}')[0]!;
  const reasons = [...source.matchAll(/#\[error\("(.*)"\)\]\s+(\w+),/g)].map(([, words, name]) => [
    name!.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
    words!.replaceAll("'", '’')
  ]);
  expect(Object.fromEntries(reasons)).toEqual(REFUSALS);
});
