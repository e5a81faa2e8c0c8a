// Times and amounts for people; a dash for an invalid number.

const NONE = '–';

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const second = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

/** The formats throw for a time outside of the calendar. */
const by = (format: Intl.DateTimeFormat) => (at: number) => {
  const time = new Date(at);
  return at === null || Number.isNaN(time.getTime()) ? NONE : format.format(time);
};
export const dateAndTime = by(day);
export const clock = by(hour);
/** To the second, for evidence. */
export const clockSeconds = by(second);

/** `1:05` or `2:03:04`. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return NONE;
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The time since then, roughly. */
export function ago(at: number, now = Date.now()): string {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return dateAndTime(at);
}

/** A share in percent. */
export const percent = (share: number) => (Number.isFinite(share) ? `${share.toFixed(1)} %` : NONE);

export function size(bytes: number): string {
  if (!Number.isFinite(bytes)) return NONE;
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}
