import { expect, it } from 'vitest';
import messages from '../../../../crates/protocol/src/message.rs?raw';
import { REFUSALS } from './refusals';

it('says why something is refused in the words of the API', () => {
  const source = messages.split('pub enum RefusalReason {')[1]!.split('\n}')[0]!;
  const reasons = [...source.matchAll(/#\[error\("(.*)"\)\]\s+(\w+),/g)].map(([, words, name]) => [
    name!.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
    words!.replaceAll("'", '’')
  ]);
  expect(Object.fromEntries(reasons)).toEqual(REFUSALS);
});
