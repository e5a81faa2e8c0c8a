// A file from this browser to the customer.

import { Backoff } from '$lib/api/backoff';
import { get, post, ApiError, remove, errorMessage } from '$lib/api/client';
import type { FileName } from '$lib/api/types/FileName';
import type { KeptBytes } from '$lib/api/types/KeptBytes';
import { isTransient, PATIENCE, retry, Transfer } from './transfer.svelte';

export class Upload extends Transfer {
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
      await this.sendAll();
      if (this.over) return;
      this.status = { is: 'checking' };
      const path = `${this.folder.replace(/[/\\]$/, '')}/${this.name}`;
      const place = (sum?: string) => retry(() => post<FileName>(this.address, { path, sum, replace: false }));
      // The server knows the checksum of bytes that came in one request; after a break the file is read again for it.
      const placed = await place().catch(async (error) => {
        if (!(error instanceof ApiError) || error.status !== 428) throw error;
        return place(await checksumOf(this.file));
      });
      this.status = { is: 'done', where: placed.path };
      this.placed();
    } catch (error) {
      this.fail(errorMessage(error));
      void remove(this.address).catch(() => undefined);
    }
  }

  /** Sends the bytes, in as many requests as needed. */
  private async sendAll() {
    const backoff = new Backoff();
    let since = Date.now();
    let from = 0;
    // An empty file is sent once, so that it is created.
    for (let first = true; first || from < this.file.size;) {
      if (this.over) return;
      if (this.status.is === 'paused') await new Promise<void>((resolve) => (this.wake = resolve));
      if (this.over) return;
      this.status = { is: 'running' };
      try {
        const kept = await this.put(from);
        if (kept > from) {
          since = Date.now();
          backoff.reset();
        }
        [from, first] = [kept, false];
        this.progress(from);
      } catch (error) {
        if (this.over) return;
        if (!isTransient(error) || Date.now() - since > PATIENCE) throw error;
        if (this.isPaused()) continue;
        this.status = { is: 'waiting' };
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
        const kept = await this.keptBytes();
        if (kept !== null && kept > from) since = Date.now();
        from = kept ?? from;
      }
    }
  }

  /** How many bytes the server has; null while it cannot be reached. */
  private keptBytes(): Promise<number | null> {
    return get<KeptBytes>(this.address).then(
      (kept) => kept.bytes,
      (error) => {
        if (isTransient(error)) return null;
        throw error;
      }
    );
  }

  private isPaused() {
    return this.status.is === 'paused';
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
      const broken = () => reject(new ApiError(0, 'The connection broke.'));
      request.onerror = request.onabort = broken;
      request.onload = () => {
        const body = JSON.parse(request.responseText || '{}') as { bytes?: number; message?: string };
        if (request.status === 200 && body.bytes !== undefined) resolve(body.bytes);
        else reject(new ApiError(request.status, body.message ?? `The server answered ${request.status}.`));
      };
      request.send(this.file.slice(from));
    });
  }

  pause() {
    this.status = { is: 'paused' };
    this.request?.abort();
  }

  resume() {
    this.status = { is: 'waiting' };
    this.wake?.();
  }

  cancel() {
    this.status = { is: 'cancelled' };
    this.request?.abort();
    this.wake?.();
    void remove(this.address).catch(() => undefined);
  }

  again() {
    return new Upload(this.session, this.file, this.folder, this.placed);
  }
}

/** The SHA-256 of a file, computed in a worker so that typing is not delayed. */
function checksumOf(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./checksum.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ sum?: string; problem?: string }>) => {
      worker.terminate();
      if (data.sum) resolve(data.sum);
      else reject(new Error(`The file cannot be read: ${data.problem}`));
    };
    worker.onerror = (event) => (worker.terminate(), reject(new Error(event.message)));
    worker.postMessage(file);
  });
}
