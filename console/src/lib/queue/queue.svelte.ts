// The waiting sessions, polled while the console is open, and notifications for those who look elsewhere.

import { errorMessage, get } from '$lib/api/client';
import type { Queued } from '$lib/api/types/Queued';

const EVERY = 5_000;
const NOTIFY_KEY = 'deskside-notify';

class Queue {
  all = $state.raw<Queued[] | null>(null);
  problem = $state('');
  /** Whether sound and notifications are enabled. */
  notify = $state(localStorage.getItem(NOTIFY_KEY) === 'yes');
  private known: Set<string> | null = null;
  private followers = 0;
  private timer?: ReturnType<typeof setInterval>;

  /** What needs attention: own sessions that wait or run, requests to join, and queues to take from. */
  forMe = $derived((this.all ?? []).filter((q) => q.mine || q.open || q.shared));
  /** Those that nobody helps yet. */
  waiting = $derived((this.all ?? []).filter((q) => q.open || (q.mine && q.state.phase.is === 'held')));

  follow(): () => void {
    if (this.followers++ === 0) {
      void this.load();
      this.timer = setInterval(() => void this.load(), EVERY);
    }
    return () => {
      if (--this.followers === 0) clearInterval(this.timer);
    };
  }

  async load() {
    try {
      this.all = await get<Queued[]>('/api/sessions');
      this.problem = '';
      this.tell();
    } catch (error) {
      this.problem = errorMessage(error);
    }
  }

  /** Announces what is new: a session in a queue, one transferred, a customer who joined, a request to join. */
  private tell() {
    const now = new Set(this.forMe.map((q) => `${q.state.id} ${q.state.phase.is} ${q.mine} ${q.open} ${q.shared}`));
    const fresh = this.forMe.filter(
      (q) => !this.known?.has(`${q.state.id} ${q.state.phase.is} ${q.mine} ${q.open} ${q.shared}`)
    );
    const first = this.known === null;
    this.known = now;
    if (first || !this.notify) return;
    const news = fresh.filter(
      (q) => q.open || q.shared || (q.mine && (q.state.phase.is === 'active' || q.state.phase.is === 'held'))
    );
    if (!news.length) return;
    chime();
    const one = news[0]!;
    const title = one.shared
      ? `${one.state.owner.name} asks you to join`
      : one.open
        ? 'A session is waiting'
        : one.state.incident.customer;
    if (typeof Notification !== 'undefined' && Notification.permission === 'granted' && document.hidden)
      new Notification(title, {
        body: `${one.state.incident.number} ${one.state.incident.subject}`,
        tag: one.state.id
      });
  }

  async setNotify(on: boolean) {
    this.notify = on;
    localStorage.setItem(NOTIFY_KEY, on ? 'yes' : 'no');
    if (on && typeof Notification !== 'undefined' && Notification.permission === 'default')
      await Notification.requestPermission();
    if (on) chime();
  }
}

/** Two quiet tones. */
function chime() {
  try {
    const context = new AudioContext();
    const volume = context.createGain();
    volume.gain.value = 0.04;
    volume.connect(context.destination);
    [660, 880].forEach((pitch, n) => {
      const tone = context.createOscillator();
      tone.frequency.value = pitch;
      tone.connect(volume);
      tone.start(context.currentTime + n * 0.14);
      tone.stop(context.currentTime + n * 0.14 + 0.12);
    });
    setTimeout(() => void context.close(), 600);
  } catch {
    // Without sound there is still the count.
  }
}

export const queue = new Queue();
