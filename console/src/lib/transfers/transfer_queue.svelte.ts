// All transfers of a session: some run, the others wait.

import type { Transfer } from './transfer.svelte';

/** The most that run at once. */
const AT_ONCE = 3;
/** The most that are shown: of those waiting, of those that succeeded, and of all that ended. */
const NEXT = 20;
const ENDED = 50;
const MOST_ENDED = 500;

/** Thousands may wait: the list shows the running ones, the next ones, and the newest ended ones. */
export class TransferQueue {
  /** Newest last; only some of those that succeeded. */
  ended = $state.raw<Transfer[]>([]);
  running = $state.raw<Transfer[]>([]);
  /** The first of those waiting, and their number. */
  next = $state.raw<Transfer[]>([]);
  waiting = $state(0);
  done = $state(0);
  failed = $state(0);
  private queue: Transfer[] = [];

  add(transfer: Transfer) {
    this.queue.push(transfer);
    this.startNext();
  }

  /** The same transfer again, from the beginning. */
  restart(transfer: Transfer) {
    if (!transfer.over) this.cancel(transfer);
    this.ended = this.ended.filter((t) => t !== transfer);
    if (transfer.status.is === 'failed') this.failed -= 1;
    this.add(transfer.again());
  }

  cancel(transfer: Transfer) {
    transfer.cancel();
    if (!this.queue.includes(transfer)) return;
    this.queue = this.queue.filter((t) => t !== transfer);
    this.end(transfer);
  }

  clear() {
    this.ended = [];
    this.done = this.failed = 0;
  }

  private startNext() {
    while (this.running.length < AT_ONCE && this.queue.length) {
      const transfer = this.queue.shift()!;
      transfer.status = { is: 'running' };
      this.running = [...this.running, transfer];
      void transfer.run().finally(() => {
        this.running = this.running.filter((t) => t !== transfer);
        this.end(transfer);
      });
    }
    this.waiting = this.queue.length;
    this.next = this.queue.slice(0, NEXT);
  }

  private end(transfer: Transfer) {
    if (transfer.status.is === 'done') this.done += 1;
    if (transfer.status.is === 'failed') this.failed += 1;
    const well = this.ended.filter((t) => t.status.is !== 'failed').length;
    const oldest = well >= ENDED ? this.ended.find((t) => t.status.is !== 'failed') : null;
    this.ended = [...this.ended.filter((t) => t !== oldest).slice(-MOST_ENDED), transfer];
    this.startNext();
  }
}

/** The queue of each session, kept while another page is visible. */
const queues = new Map<string, TransferQueue>();
export function transfersOf(session: string): TransferQueue {
  const known = queues.get(session) ?? new TransferQueue();
  queues.set(session, known);
  return known;
}
