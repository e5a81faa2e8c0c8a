// A file from the customer among this browser's downloads: an ordinary download, which the browser itself keeps, shows
// and goes on with. The server tells how far it is.

import { get, post, words } from '$lib/api/client';
import type { LeavingProgress } from '$lib/api/types/LeavingProgress';
import type { LeavingWish } from '$lib/api/types/LeavingWish';
import { again, passes, Transfer } from './transfer.svelte';

/** How often it is asked how far it is; at first more often, as many files are small. */
const FIRST_LOOK = 60;
const LOOK = 250;
/** A browser that takes longer to begin asks its user something. */
const BEGINS = 2_000;
/** A download that stopped here is given up in this time; the browser may go on with it all the same. */
const STOPPED = 60_000;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class Fetching extends Transfer {
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
    this.course = { is: 'running' };
    try {
      // What can be wrong with it is said before there is a download.
      await again(() => post(this.address, { path: this.path }));
      if (this.over) return void this.wish('cancel');
      const link = document.createElement('a');
      link.href = `${this.address}?${new URLSearchParams({ path: this.path })}`;
      link.download = this.name;
      link.click();
      await this.follow();
    } catch (error) {
      this.fail(words(error));
    }
  }

  private async follow() {
    const began = Date.now();
    let moved = began;
    for (let look = FIRST_LOOK; !this.over; look = Math.min(2 * look, LOOK)) {
      await wait(look);
      const said = await get<LeavingProgress>(`${this.address}/progress`).catch((error) => {
        if (!passes(error)) throw error;
        return null;
      });
      if (this.over) return;
      if (said) this.size = said.size;
      if (said && said.bytes !== this.done) this.progress(said.bytes);
      const course = said?.course ?? { is: 'stopped' as const };
      if (course.is !== 'stopped') moved = Date.now();
      switch (course.is) {
        case 'done':
          return void (this.course = { is: 'done', where: 'your downloads' });
        case 'failed':
          return this.fail(course.why);
        case 'cancelled':
          return void (this.course = { is: 'cancelled' });
        case 'stopped':
          this.course = { is: 'stopped' };
          if (Date.now() - moved > STOPPED)
            this.fail('The download stopped. Go on with it in your browser’s downloads, or start again here.');
          break;
        case 'held':
          this.course = { is: 'paused' };
          break;
        case 'waiting':
          this.course = { is: 'waiting' };
          break;
        case 'ready':
          if (Date.now() - began > BEGINS) this.course = { is: 'ready' };
          break;
        default:
          this.course = { is: 'running' };
      }
    }
  }

  private wish(wish: LeavingWish) {
    return again(() => post(`${this.address}/progress`, { wish })).catch(() => undefined);
  }

  pause() {
    this.course = { is: 'paused' };
    void this.wish('hold');
  }

  resume() {
    this.course = { is: 'running' };
    void this.wish('go');
  }

  cancel() {
    this.course = { is: 'cancelled' };
    void this.wish('cancel');
  }

  /** The same once more, from the beginning. */
  again() {
    return new Fetching(this.session, this.path, this.name);
  }
}
