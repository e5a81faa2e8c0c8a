// All files of a session on their way.

import type { Transfer } from './transfer.svelte';

/** So many run at once; the others wait. */
const AT_ONCE = 3;
/** So many of those that wait are shown, of those that went well, and of all that ended. */
const NEXT = 20;
const ENDED = 50;
const MOST_ENDED = 500;

/** All transfers of a session. Thousands may wait: what is shown are those that run, the next ones, and the newest ended. */
export class Transfers {
  /** Newest last; of those that went well, only so many. */
  ended = $state.raw<Transfer[]>([]);
  running = $state.raw<Transfer[]>([]);
  /** The first of those that wait, and how many there are. */
  next = $state.raw<Transfer[]>([]);
  waiting = $state(0);
  done = $state(0);
  failed = $state(0);
  private queue: Transfer[] = [];

  add(transfer: Transfer) {
    this.queue.push(transfer);
    this.go();
  }

  /** The same once more, from the beginning. */
  startAgain(transfer: Transfer) {
    if (!transfer.over) this.cancel(transfer);
    this.ended = this.ended.filter((t) => t !== transfer);
    if (transfer.course.is === 'failed') this.failed -= 1;
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

  private go() {
    while (this.running.length < AT_ONCE && this.queue.length) {
      const transfer = this.queue.shift()!;
      transfer.course = { is: 'running' };
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
    if (transfer.course.is === 'done') this.done += 1;
    if (transfer.course.is === 'failed') this.failed += 1;
    const well = this.ended.filter((t) => t.course.is !== 'failed').length;
    const oldest = well >= ENDED ? this.ended.find((t) => t.course.is !== 'failed') : null;
    this.ended = [...this.ended.filter((t) => t !== oldest).slice(-MOST_ENDED), transfer];
    this.go();
  }
}

/** The transfers of each session, kept while another page is looked at. */
const everywhere = new Map<string, Transfers>();
export function transfersOf(session: string): Transfers {
  const known = everywhere.get(session) ?? new Transfers();
  everywhere.set(session, known);
  return known;
}
