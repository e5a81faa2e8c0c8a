import { expect, test } from 'vitest';
import { ApiError } from './client';
import { mutation } from './mutation.svelte';

/** An action that ends when the test says so. */
function scripted() {
  const calls: string[] = [];
  let end: { resolve(): void; reject(error: unknown): void };
  const saving = mutation((what: string) => {
    calls.push(what);
    return new Promise<void>((resolve, reject) => (end = { resolve, reject }));
  });
  return { saving, calls, succeed: () => end.resolve(), fail: (error: unknown) => end.reject(error) };
}

test('a double click does not send twice', async () => {
  const { saving, calls, succeed } = scripted();
  const first = saving.run('one');
  expect(saving.pending).toBe(true);
  expect(await saving.run('two')).toBe(false);
  succeed();
  expect(await first).toBe(true);
  expect([calls, saving.pending, saving.succeeded, saving.problem]).toEqual([['one'], false, true, '']);
});

test('a failure is kept in words until the next run', async () => {
  const { saving, fail, succeed } = scripted();
  const first = saving.run('one');
  fail(new ApiError(409, 'Somebody else has changed this.'));
  expect(await first).toBe(false);
  expect([saving.pending, saving.succeeded, saving.problem]).toEqual([false, false, 'Somebody else has changed this.']);
  const second = saving.run('two');
  expect(saving.problem).toBe('');
  succeed();
  expect(await second).toBe(true);
});

test('what throws at once fails like what is refused', async () => {
  const saving = mutation(async () => {
    throw new Error('Please choose a customer.');
  });
  expect(await saving.run()).toBe(false);
  expect(saving.problem).toBe('Please choose a customer.');
  saving.reset();
  expect(saving.problem).toBe('');
});
