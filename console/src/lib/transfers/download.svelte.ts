// A download from the customer: an ordinary download, which the browser itself stores, shows and resumes. The server
// tells its progress.

import { get, post, errorMessage } from '$lib/api/client';
import type { LeavingProgress } from '$lib/api/types/LeavingProgress';
import type { LeavingWish } from '$lib/api/types/LeavingWish';
import { downloadStatus } from './download_status';
import { isTransient, retry, Transfer } from './transfer.svelte';

/** How often the progress is requested; at first more often, as many files are small. */
const FIRST_LOOK = 60;
const LOOK = 250;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class Download extends Transfer {
  constructor(
    session: string,
    private path: string,
    name: string
  ) {
    super(session, 'from_customer', name);
  }

  private get address() {
    return `/api/sessions/${this.session}/files/leaving/${this.number}`;
  }

  async run() {
    this.status = { is: 'running' };
    try {
      // Errors are shown before the browser starts a download.
      await retry(() => post(this.address, { path: this.path }));
      if (this.over) return void this.tell('cancel');
      const link = document.createElement('a');
      link.href = `${this.address}?${new URLSearchParams({ path: this.path })}`;
      link.download = this.name;
      link.click();
      await this.follow();
    } catch (error) {
      this.fail(errorMessage(error));
    }
  }

  private async follow() {
    const began = Date.now();
    let moved = began;
    for (let look = FIRST_LOOK; !this.over; look = Math.min(2 * look, LOOK)) {
      await wait(look);
      const progress = await get<LeavingProgress>(`${this.address}/progress`).catch((error) => {
        if (!isTransient(error)) throw error;
        return null;
      });
      if (this.over) return;
      if (progress) this.size = progress.size;
      if (progress && progress.bytes !== this.done) this.progress(progress.bytes);
      if (progress && progress.course.is !== 'stopped') moved = Date.now();
      this.status = downloadStatus(progress, Date.now() - began, Date.now() - moved) ?? this.status;
    }
  }

  private tell(wish: LeavingWish) {
    return retry(() => post(`${this.address}/progress`, { wish })).catch(() => undefined);
  }

  pause() {
    this.status = { is: 'paused' };
    void this.tell('hold');
  }

  resume() {
    this.status = { is: 'running' };
    void this.tell('go');
  }

  cancel() {
    this.status = { is: 'cancelled' };
    void this.tell('cancel');
  }

  again() {
    return new Download(this.session, this.path, this.name);
  }
}
