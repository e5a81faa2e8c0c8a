import { expect, test } from 'vitest';
import { UnconfirmedMessages } from './unconfirmed';

const counting = () => {
  let nonce = 0;
  return new UnconfirmedMessages(() => (nonce += 1));
};
const texts = (messages: UnconfirmedMessages) => messages.all.map((m) => m.text);

test('what came back is not sent again; what did not is, in its order', () => {
  const messages = counting();
  for (const text of ['one', 'two', 'three']) messages.add(text);
  messages.confirm(2);
  expect(texts(messages)).toEqual(['one', 'three']);
  messages.confirm(7);
  expect(texts(messages)).toEqual(['one', 'three']);
});

test('two messages of the same words are two', () => {
  const messages = counting();
  const [first] = [messages.add('yes'), messages.add('yes')];
  messages.confirm(first.nonce);
  expect(texts(messages)).toEqual(['yes']);
});

test('what is refused is dropped', () => {
  const messages = counting();
  messages.add('too late');
  messages.drop();
  expect(texts(messages)).toEqual([]);
});
