import { expect, test } from 'vitest';
import { Transfer } from './transfer.svelte';
import { TransferQueue } from './transfer_queue.svelte';

/** A transfer that ends when the test says so. */
class Scripted extends Transfer {
  private end!: () => void;
  private readonly ended = new Promise<void>((resolve) => (this.end = resolve));

  constructor(name: string) {
    super('session', 'to_customer', name);
  }
  run() {
    return this.ended;
  }
  async succeed() {
    this.status = { is: 'done', where: this.name };
    await this.settle();
  }
  async break(why: string) {
    this.fail(why);
    await this.settle();
  }
  private async settle() {
    this.end();
    await new Promise((resolve) => setTimeout(resolve));
  }
  pause() {}
  resume() {}
  cancel() {
    this.status = { is: 'cancelled' };
    this.end();
  }
  again() {
    return new Scripted(`${this.name} again`);
  }
}

const names = (transfers: readonly Transfer[]) => transfers.map((t) => t.name);
function filled(count: number) {
  const queue = new TransferQueue();
  const all = Array.from({ length: count }, (_, n) => new Scripted(`file ${n}`));
  for (const transfer of all) queue.add(transfer);
  return { queue, all };
}

test('three run at once, and the next begins when one ends', async () => {
  const { queue, all } = filled(5);
  expect(names(queue.running)).toEqual(['file 0', 'file 1', 'file 2']);
  expect(queue.waiting).toBe(2);
  await all[1]!.succeed();
  expect(names(queue.running)).toEqual(['file 0', 'file 2', 'file 3']);
  expect([queue.waiting, queue.done, queue.failed]).toEqual([1, 1, 0]);
});

test('one that waits is cancelled without having run', () => {
  const { queue, all } = filled(4);
  queue.cancel(all[3]!);
  expect([queue.waiting, names(queue.ended)]).toEqual([0, ['file 3']]);
});

test('one that failed is started once more and no longer counts as failed', async () => {
  const { queue, all } = filled(1);
  await all[0]!.break('the disk is full');
  expect([queue.failed, names(queue.ended)]).toEqual([1, ['file 0']]);
  queue.restart(all[0]!);
  expect([queue.failed, names(queue.running), names(queue.ended)]).toEqual([0, ['file 0 again'], []]);
});

test('of those that went well only the newest are kept, of those that failed all', async () => {
  const { queue, all } = filled(60);
  await all[0]!.break('no permission');
  for (const transfer of all.slice(1)) await transfer.succeed();
  expect(names(queue.ended).slice(0, 2)).toEqual(['file 0', 'file 10']);
  expect([queue.ended.length, queue.done]).toEqual([51, 59]);
  queue.clear();
  expect([queue.ended.length, queue.done, queue.failed]).toEqual([0, 0, 0]);
});
