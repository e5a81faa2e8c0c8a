// A file from this browser to the customer.

import { get, post, Problem, remove, words } from '$lib/api/client';
import type { FileName } from '$lib/api/types/FileName';
import type { KeptBytes } from '$lib/api/types/KeptBytes';
import { again, passes, PATIENCE, Transfer } from './transfer.svelte';

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
      const place = (sum?: string) => again(() => post<FileName>(this.address, { path, sum, replace: false }));
      // The server knows the checksum of what came by one request; after a break the file is read once more for it.
      const placed = await place().catch(async (error) => {
        if (!(error instanceof Problem) || error.status !== 428) throw error;
        return place(await sumOf(this.file));
      });
      this.course = { is: 'done', where: placed.path };
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

  again() {
    return new Bringing(this.session, this.file, this.folder, this.placed);
  }
}

/** The SHA-256 of a file, taken beside the page: whoever types does not wait for it. */
function sumOf(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./sum.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ sum?: string; problem?: string }>) => {
      worker.terminate();
      if (data.sum) resolve(data.sum);
      else reject(new Error(`The file cannot be read: ${data.problem}`));
    };
    worker.onerror = (event) => (worker.terminate(), reject(new Error(event.message)));
    worker.postMessage(file);
  });
}
