// The progress of a transfer, in words.

import { shownName } from '$lib/text/shown_name';
import { size, span } from '$lib/text/time';
import type { Transfer } from './transfer.svelte';

export function transferText(t: Pick<Transfer, 'status' | 'size' | 'done' | 'rate' | 'left'>): string {
  const amount = t.size === null ? size(t.done) : `${size(t.done)} of ${size(t.size)}`;
  switch (t.status.is) {
    case 'queued':
      return 'waiting for its turn';
    case 'running':
      return `${amount} · ${size(t.rate)}/s${t.left === null ? '' : ` · ${span(t.left * 1000)} left`}`;
    case 'waiting':
      return `${amount} · connection lost, resuming soon …`;
    case 'paused':
      return `${amount} · paused`;
    case 'ready':
      return 'waiting for your browser, which may ask for permission to save several files';
    case 'stopped':
      return `${amount} · stopped: resume it in your browser’s downloads, or retry here`;
    case 'checking':
      return `${amount} · checking …`;
    case 'done':
      return `${size(t.size ?? t.done)} · done: ${shownName(t.status.where)}`;
    case 'failed':
      return shownName(t.status.why);
    case 'cancelled':
      return 'cancelled';
  }
}
