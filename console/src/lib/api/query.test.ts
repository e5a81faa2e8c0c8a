import { expect, test } from 'vitest';
import { ApiError } from './client';
import { lazyQuery } from './query.svelte';

/** Answers that arrive when and in which order the test says. */
function scripted() {
  const asked: { resolve(value: string): void; reject(error: unknown): void }[] = [];
  const list = lazyQuery(() => new Promise<string>((resolve, reject) => asked.push({ resolve, reject })));
  return { list, asked };
}

test('what was read stays when it cannot be read anew', async () => {
  const { list, asked } = scripted();
  const first = list.load();
  asked[0]!.resolve('one');
  await first;
  const second = list.load();
  asked[1]!.reject(new ApiError(0, 'The server cannot be reached.'));
  await second;
  expect([list.data, list.problem]).toEqual(['one', 'The server cannot be reached.']);
});

test('an answer that comes after a newer question counts for nothing', async () => {
  const { list, asked } = scripted();
  const [first, second] = [list.load(), list.load()];
  asked[1]!.resolve('newer');
  await second;
  asked[0]!.resolve('older');
  await first;
  expect(list.data).toBe('newer');
});

test('what was just saved is not overwritten by what was asked for before', async () => {
  const { list, asked } = scripted();
  const before = list.load();
  list.set('saved');
  asked[0]!.resolve('older');
  await before;
  expect(list.data).toBe('saved');
});
