// A file of the customer's machine, on its way into the browser's own storage: in pieces, however large it is, with its
// checksum, and on from where it was cut.

import { BlockSum, TOO_LARGE } from './sum';

export type Order = { do: 'start'; url: string; key: string } | { do: 'pause' } | { do: 'go' } | { do: 'cancel' };
export type Report =
  | { is: 'size'; size: number | null; version: string }
  | { is: 'done'; bytes: number }
  | { is: 'whole'; bytes: number; sum: string; version: string }
  | { is: 'waiting' }
  | { is: 'failed'; status: number; why: string };

/** What the types of pages leave out: workers have it (https://fs.spec.whatwg.org/#api-filesystemsyncaccesshandle). */
interface SyncFile {
  write(bytes: Uint8Array<ArrayBufferLike>, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  getSize(): number;
  close(): void;
}

const PATIENCE = 10 * 60_000;
/** How often the page hears how far it is. */
const TELL_EVERY = 150;
const report = (r: Report) => postMessage(r);

let stop = new AbortController();
let go: (() => void) | null = null;
let paused = false;
let cancelled = false;

onmessage = ({ data }: MessageEvent<Order>) => {
  if (data.do === 'start') void start(data.url, data.key);
  if (data.do === 'pause') ((paused = true), stop.abort());
  if (data.do === 'go') ((paused = false), go?.());
  if (data.do === 'cancel') ((cancelled = true), stop.abort(), go?.());
};

async function start(url: string, key: string) {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(key, { create: true });
  const file = await (handle as unknown as { createSyncAccessHandle(): Promise<SyncFile> }).createSyncAccessHandle();
  try {
    await carry(url, file);
  } catch (error) {
    const full = error instanceof DOMException && error.name === 'QuotaExceededError';
    report({ is: 'failed', status: 0, why: full ? 'This computer’s disk is full.' : String(error) });
  } finally {
    file.close();
    if (cancelled) await folder.removeEntry(key).catch(() => undefined);
  }
}

/** Takes a file's bytes in: few large writes, because each one costs the browser a round of its own. */
function takeInto(file: SyncFile): BlockSum {
  let at = 0;
  return new BlockSum((block) => {
    for (let written = 0; written < block.length;) {
      const now = file.write(block.subarray(written), { at });
      at += now;
      written += now;
    }
  });
}

async function carry(url: string, file: SyncFile) {
  let sum = takeInto(file);
  let at = 0;
  let version = '';
  let since = Date.now();
  let told = 0;
  for (let wait = 300; !cancelled; wait = Math.min(wait * 2, 5_000)) {
    stop = new AbortController();
    try {
      const headers: Record<string, string> = at ? { range: `bytes=${at}-`, 'if-match': version } : {};
      const answer = await fetch(url, { headers, signal: stop.signal });
      if (answer.status === 503 || answer.status === 502) throw new Error('away');
      if (!answer.ok) {
        const problem = (await answer.json().catch(() => null)) as { message?: string } | null;
        return report({
          is: 'failed',
          status: answer.status,
          why: problem?.message ?? `The server answered ${answer.status}.`
        });
      }
      version = answer.headers.get('etag') ?? '';
      const length = answer.headers.get('content-length');
      const size = length === null ? null : at + Number(length);
      // What is made while it is sent cannot go on in the middle.
      if (size === null) [at, sum] = [0, takeInto(file)];
      report({ is: 'size', size, version });
      const reader = answer.body!.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        sum.update(value);
        at += value.length;
        [wait, since] = [300, Date.now()];
        if (Date.now() - told > TELL_EVERY) ((told = Date.now()), report({ is: 'done', bytes: at }));
      }
      if (size === null || at === size) {
        const whole = await sum.sum();
        file.truncate(at);
        file.flush();
        // Private windows keep files in memory, and may keep less than they were given without a word.
        if (file.getSize() !== at) return report({ is: 'failed', status: 0, why: TOO_LARGE });
        return report({ is: 'whole', bytes: at, sum: whole, version });
      }
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') throw error;
      if (!paused && Date.now() - since > PATIENCE)
        return report({ is: 'failed', status: 0, why: 'The connection did not come back.' });
    }
    if (cancelled) return;
    if (paused) {
      await new Promise<void>((resolve) => (go = resolve));
      since = Date.now();
    } else {
      report({ is: 'waiting' });
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
