import { expect, test } from 'vitest';
import type { TransferStatus } from './transfer.svelte';
import { transferText } from './transfer_text';

const text = (status: TransferStatus, size: number | null = 2_000_000) =>
  transferText({ status, size, done: 1_000_000, rate: 500_000, left: size === null ? null : 2 });

test.each([
  [{ is: 'queued' }, 'waiting for its turn'],
  [{ is: 'running' }, '1.0 MB of 2.0 MB · 500 kB/s · 0:02 left'],
  [{ is: 'paused' }, '1.0 MB of 2.0 MB · paused'],
  [{ is: 'done', where: '/home/ada/fdp\u202Eexe' }, '2.0 MB · done: /home/ada/fdp\uFFFDexe'],
  [{ is: 'failed', why: 'the disk is full' }, 'the disk is full'],
  [{ is: 'cancelled' }, 'cancelled']
] as [TransferStatus, string][])('%j', (status, seen) => expect(text(status)).toBe(seen));

test('the size of an archive is not known before its end', () => {
  expect(text({ is: 'running' }, null)).toBe('1.0 MB · 500 kB/s');
  expect(text({ is: 'done', where: 'your downloads' }, null)).toBe('1.0 MB · done: your downloads');
});
