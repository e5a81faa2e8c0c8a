// Files on their way, both directions: each with its progress, and each able to pause and to go on after a cut.

import { get, post, Problem, remove, words } from '../api/client';
import type { FileName } from '../api/types/FileName';
import type { KeptBytes } from '../api/types/KeptBytes';
import type { Order, Report } from './fetch.worker';
import { BLOCK, BlockSum, TOO_LARGE } from './sum';

export type Course =
  | { is: 'queued' }
  | { is: 'running' }
  | { is: 'waiting' }
  | { is: 'paused' }
  | { is: 'checking' }
  | { is: 'done'; where: string }
  | { is: 'failed'; why: string }
  | { is: 'cancelled' };

/** So many run at once; the others wait. */
const AT_ONCE = 3;
/** So many of those that wait are shown, of those that went well, and of all that ended. */
const NEXT = 20;
const ENDED = 50;
const MOST_ENDED = 500;
/** How long a broken connection is tried again. */
const PATIENCE = 10 * 60_000;
const OVER = ['done', 'failed', 'cancelled'];

const number = () => crypto.getRandomValues(new Uint32Array(2)).reduce((all, n) => (all % 2 ** 20) * 2 ** 32 + n, 0);

export abstract class Transfer {
  readonly number = number();
  course = $state<Course>({ is: 'queued' });
  done = $state(0);
  size = $state<number | null>(null);
  /** Bytes a second. */
  rate = $state(0);
  private seen: { at: number; bytes: number }[] = [];

  constructor(
    readonly session: string,
    readonly way: 'to_customer' | 'from_customer',
    readonly name: string
  ) {}

  get over() {
    return OVER.includes(this.course.is);
  }

  /** Seconds that are left, as far as can be said. */
  get left(): number | null {
    return this.size !== null && this.rate > 0 && this.course.is === 'running'
      ? (this.size - this.done) / this.rate
      : null;
  }

  protected progress(bytes: number) {
    this.done = bytes;
    const now = performance.now();
    this.seen = [...this.seen.filter((s) => now - s.at < 3_000), { at: now, bytes }];
    const first = this.seen[0]!;
    if (now - first.at > 200) this.rate = Math.max(0, ((bytes - first.bytes) / (now - first.at)) * 1_000);
  }

  protected fail(why: string) {
    if (!this.over) this.course = { is: 'failed', why };
  }

  abstract run(): Promise<void>;
  abstract pause(): void;
  abstract resume(): void;
  abstract cancel(): void;
}

/** From this browser to the customer. */
export class Bringing extends Transfer {
  private request: XMLHttpRequest | null = null;
  private wake: (() => void) | null = null;

  constructor(
    session: string,
    private file: File,
    private folder: string,
    private placed: () => void
  ) {
    super(session, 'to_customer', file.name);
    this.size = file.size;
  }

  private get address() {
    return `/api/sessions/${this.session}/files/bring/${this.number}`;
  }

  async run() {
    const hash = hashOf(this.file);
    hash.catch(() => undefined);
    try {
      let since = Date.now();
      let from = 0;
      // An empty file goes once, so that it is there.
      for (let wait = 300, first = true; first || from < this.file.size; wait = Math.min(wait * 2, 5_000)) {
        if (this.over) return;
        if (this.course.is === 'paused') await new Promise<void>((resolve) => (this.wake = resolve));
        if (this.over) return;
        this.course = { is: 'running' };
        try {
          const kept = await this.put(from);
          if (kept > from) [wait, since] = [300, Date.now()];
          [from, first] = [kept, false];
          this.progress(from);
        } catch (error) {
          if (this.over) return;
          if (!passes(error) || Date.now() - since > PATIENCE) throw error;
          if (this.isPaused()) continue;
          this.course = { is: 'waiting' };
          await new Promise((resolve) => setTimeout(resolve, wait));
          const kept = await get<KeptBytes>(this.address).catch((e) => {
            if (passes(e)) return null;
            throw e;
          });
          if (kept) {
            if (kept.bytes > from) since = Date.now();
            from = kept.bytes;
          }
        }
      }
      if (this.over) return;
      this.course = { is: 'checking' };
      const path = `${this.folder.replace(/[/\\]$/, '')}/${this.name}`;
      const placing = { path, sum: await hash, replace: false };
      const place = await again(() => post<FileName>(this.address, placing));
      this.course = { is: 'done', where: place.path };
      this.placed();
    } catch (error) {
      this.fail(words(error));
      void remove(this.address).catch(() => undefined);
    }
  }

  private isPaused() {
    return this.course.is === 'paused';
  }

  private put(from: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      const query = new URLSearchParams({
        folder: this.folder,
        name: this.name,
        size: String(this.file.size),
        from: String(from)
      });
      request.open('PUT', `${this.address}?${query}`);
      request.upload.onprogress = (event) => this.progress(from + event.loaded);
      const broken = () => reject(new Problem(0, 'The connection broke.'));
      request.onerror = request.onabort = broken;
      request.onload = () => {
        const body = JSON.parse(request.responseText || '{}') as { bytes?: number; message?: string };
        if (request.status === 200 && body.bytes !== undefined) resolve(body.bytes);
        else reject(new Problem(request.status, body.message ?? `The server answered ${request.status}.`));
      };
      request.send(this.file.slice(from));
    });
  }

  pause() {
    this.course = { is: 'paused' };
    this.request?.abort();
  }

  resume() {
    this.course = { is: 'waiting' };
    this.wake?.();
  }

  cancel() {
    this.course = { is: 'cancelled' };
    this.request?.abort();
    this.wake?.();
    void remove(this.address).catch(() => undefined);
  }
}

/** From the customer into this browser, and from there among its downloads. */
export class Fetching extends Transfer {
  private worker: Worker | null = null;
  private end: (() => void) | null = null;

  constructor(
    session: string,
    private path: string,
    name: string
  ) {
    super(session, 'from_customer', name);
  }

  private get key() {
    return `deskside-${Date.now()}-${this.number}`;
  }

  run() {
    const worker = new Worker(new URL('./fetch.worker.ts', import.meta.url), { type: 'module' });
    const key = this.key;
    this.worker = worker;
    this.course = { is: 'running' };
    worker.onmessage = ({ data }: MessageEvent<Report>) => this.hear(data, key);
    worker.onerror = (event) => this.finish({ is: 'failed', why: event.message });
    const url = `/api/sessions/${this.session}/files/content?${new URLSearchParams({ path: this.path })}`;
    this.order({ do: 'start', url, key });
    return new Promise<void>((resolve) => (this.end = resolve));
  }

  private order(order: Order) {
    this.worker?.postMessage(order);
  }

  private hear(said: Report, key: string) {
    if (this.over) return;
    if (said.is === 'size') ((this.size = said.size), (this.course = { is: 'running' }));
    if (said.is === 'done') this.progress(said.bytes);
    if (said.is === 'waiting' && this.course.is !== 'paused') this.course = { is: 'waiting' };
    if (said.is === 'failed') this.finish({ is: 'failed', why: said.why });
    if (said.is === 'whole') void this.whole(said, key);
  }

  private async whole(said: Report & { is: 'whole' }, key: string) {
    this.progress(said.bytes);
    this.course = { is: 'checking' };
    try {
      const { bytes, sum, version } = said;
      await again(() => post(`/api/sessions/${this.session}/files/fetched`, { path: this.path, version, bytes, sum }));
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle(key)).getFile();
      if (file.size !== bytes) throw new Problem(0, TOO_LARGE);
      // The browser copies from its own storage, whatever the size. Nothing says when it is done, and the address must
      // live until then: it goes with the page.
      const link = document.createElement('a');
      link.href = URL.createObjectURL(file);
      link.download = this.name;
      link.click();
      this.finish({ is: 'done', where: 'your downloads' });
    } catch (error) {
      this.finish({ is: 'failed', why: words(error) });
    }
  }

  private finish(course: Course) {
    if (!this.over) this.course = course;
    this.worker?.terminate();
    this.worker = null;
    this.end?.();
  }

  pause() {
    this.course = { is: 'paused' };
    this.order({ do: 'pause' });
  }

  resume() {
    this.course = { is: 'waiting' };
    this.order({ do: 'go' });
  }

  cancel() {
    this.course = { is: 'cancelled' };
    this.order({ do: 'cancel' });
    // The worker throws away what it has, and ends.
    setTimeout(() => this.finish({ is: 'cancelled' }), 500);
  }
}

/** What a broken connection looks like: it may come back. */
const passes = (error: unknown) => error instanceof Problem && [0, 502, 503].includes(error.status);

async function again<T>(ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE;
  for (let wait = 300; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      return await ask();
    } catch (error) {
      if (!passes(error) || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

async function hashOf(file: Blob): Promise<string> {
  if (file.size <= BLOCK) {
    // Too little to be worth a worker of its own.
    const sum = new BlockSum();
    sum.update(new Uint8Array(await file.arrayBuffer()));
    return sum.sum();
  }
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' });
    const end = () => worker.terminate();
    worker.onmessage = ({ data }: MessageEvent<{ sum?: string; problem?: string }>) => {
      end();
      if (data.sum) resolve(data.sum);
      else reject(new Error(`The file cannot be read: ${data.problem}`));
    };
    worker.onerror = (event) => (end(), reject(new Error(event.message)));
    worker.postMessage(file);
  });
}

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

/** What earlier pages left in the browser's storage is thrown away. */
export async function tidyStorage() {
  const folder = await navigator.storage?.getDirectory?.().catch(() => null);
  if (!folder) return;
  const old = Date.now() - 60 * 60_000;
  const names = (folder as unknown as { keys(): AsyncIterable<string> }).keys();
  for await (const name of names) {
    const made = Number(name.match(/^deskside-(\d+)-/)?.[1] ?? Infinity);
    if (made < old) await folder.removeEntry(name).catch(() => undefined);
  }
}
