// The server's progress of a download, as the list of transfers shows it.

import type { LeavingProgress } from '$lib/api/types/LeavingProgress';
import type { TransferStatus } from './transfer.svelte';

/** A browser that takes longer to start is asking its user something. */
const BEGINS = 2_000;
/** A stopped download is given up here after this time; the browser may still resume it. */
const GIVEN_UP = 60_000;

/**
 * `progress` is null while the server cannot be reached. Times are in milliseconds: since the download began, and since it
 * was last seen to be anything but stopped. Null when nothing is to be said yet.
 */
export function downloadStatus(
  progress: LeavingProgress | null,
  sinceBegin: number,
  sinceStop: number
): TransferStatus | null {
  const course = progress?.course ?? { is: 'stopped' as const };
  switch (course.is) {
    case 'done':
      return { is: 'done', where: 'your downloads' };
    case 'failed':
      return { is: 'failed', why: course.why };
    case 'cancelled':
    case 'waiting':
      return { is: course.is };
    case 'stopped':
      return sinceStop > GIVEN_UP
        ? {
            is: 'failed',
            why: 'The download stopped. Resume it in your browser’s downloads, or retry here.'
          }
        : { is: 'stopped' };
    case 'held':
      return { is: 'paused' };
    case 'ready':
      return sinceBegin > BEGINS ? { is: 'ready' } : null;
    case 'going':
      return { is: 'running' };
  }
}
