// Being in a session: the newest state, the timeline, and a connection that comes back by itself.

import { updated } from '$app/state';
import { Problem, words } from '$lib/api/client';
import { REFUSALS } from './refusals';
import type { Mark } from '$lib/api/types/Mark';
import type { Client } from '$lib/api/types/Client';
import type { ClientMessage } from '$lib/api/types/ClientMessage';
import type { Entry } from '$lib/api/types/Entry';
import type { Path } from '$lib/api/types/Path';
import type { Permit } from '$lib/api/types/Permit';
import type { SessionState } from '$lib/api/types/SessionState';
import type { ServerMessage } from '$lib/api/types/ServerMessage';
import { readFrames, type Frame } from '$lib/viewer/frames';
import { Wire } from '$lib/api/wire';

/** Where the connection stands. */
export type Contact = { is: 'connecting' } | { is: 'here' } | { is: 'reconnecting' } | { is: 'over'; why: string };

export interface Options {
  client: Client;
  /** Asks for a new ticket. A Problem with status 404 or 409 means that there is no way back. */
  ticket: () => Promise<string>;
  /** Whether this is a page that sees the screen. */
  sees?: boolean;
  /** The web API of this session for whoever has no account: a token that says who asks. */
  token?: () => string;
}

/** Who takes the frames of the screen in. */
export interface Sink {
  frame(frame: Frame): void;
  /** Frames wait until then: what the decoder can show must be known first. */
  ready: Promise<unknown>;
}

const TYPING_SHOWS = 4_000;
const ALIVE_EVERY = 5_000;
const DEAD_AFTER = 12_000;

export class Attendance {
  contact = $state<Contact>({ is: 'connecting' });
  state = $state.raw<SessionState | null>(null);
  permits = $state.raw<Permit[]>([]);
  entries = $state.raw<Entry[]>([]);
  me = $state(0);
  typing = $state<number | null>(null);
  refusal = $state('');
  roundTrip = $state<number | null>(null);
  /** How this page reaches the server, and how the customer's program does. */
  way = $state<'quic' | 'socket' | null>(null);
  customerPath = $state.raw<Path | null>(null);
  /** How long the last picture stayed in the server, in tenths of a millisecond. */
  relay = $state<number | null>(null);
  caughtUp = $state(false);
  /** Messages of others that came while nobody looked. */
  unread = $state(0);
  /** Whether this session is the one on the page. */
  watched = false;
  private sink: Sink | null = null;
  private wire: Wire | null = null;
  private typingTimer?: ReturnType<typeof setTimeout>;
  private heard = 0;
  private alive?: ReturnType<typeof setInterval>;
  private left = false;
  /** The server has said something on this connection. */
  private spoken = false;
  private said: { text: string; nonce: number }[] = [];

  constructor(private options: Options) {
    void this.attend();
    this.alive = setInterval(() => this.beat(), ALIVE_EVERY);
    addEventListener('online', this.hurry);
    document.addEventListener('visibilitychange', this.looked);
  }

  private wake?: () => void;
  private hurry = () => this.wake?.();
  private looked = () => {
    if (!document.hidden && this.watched) this.unread = 0;
  };

  private async attend() {
    let wait = 300;
    while (!this.left) {
      try {
        this.spoken = false;
        const ended = await this.connect();
        if (ended) return;
      } catch (error) {
        const gone = error instanceof Problem && (error.status === 404 || error.status === 409 || error.status === 401);
        if (gone) return this.over(words(error));
      }
      if (this.left || this.contact.is === 'over') return;
      if (this.spoken) wait = 300;
      // Connections that end before a word: the server may be a newer one, which speaks otherwise.
      else if (await updated.check().catch(() => false)) return location.reload();
      this.contact = { is: 'reconnecting' };
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, wait);
      });
      wait = Math.min(wait * 2, 5_000);
    }
  }

  /** One connection, from its ticket to its end. True when the session is over for this page. */
  private async connect(): Promise<boolean> {
    const ticket = await this.options.ticket();
    const have = this.entries.at(-1)?.seq ?? 0;
    return new Promise((resolve, reject) => {
      const closed = () => resolve(this.contact.is === 'over');
      const handlers = {
        message: (message: ServerMessage) => this.told(message),
        closed,
        ...(this.options.sees ? { screen: this.frames } : {})
      };
      Wire.open(ticket, this.options.client, have, handlers).then((wire) => {
        this.wire = wire;
        this.way = wire.way;
        this.heard = Date.now();
      }, reject);
    });
  }

  private frames = async (reader: ReadableStreamDefaultReader<Uint8Array>, rest: Uint8Array<ArrayBufferLike>) => {
    await this.sink?.ready;
    await readFrames(reader, rest, (frame) => {
      // While nobody looks, frames are taken for seen: the recording goes on, and nothing piles up.
      if (this.sink) this.sink.frame(frame);
      else if (frame.kind !== 'shape') this.send({ type: 'drawn', seq: frame.seq });
    });
  };

  /** From now on this shows the screen; a keyframe comes as soon as it can. */
  show(sink: Sink) {
    this.sink = sink;
    if (this.state?.screen) void sink.ready.then(() => this.send({ type: 'need_keyframe' }));
  }

  hide(sink: Sink) {
    if (this.sink === sink) this.sink = null;
  }

  /** A new stream for the screen that this page shows. */
  screen() {
    return this.wire?.screen() ?? Promise.reject(new Error('not connected'));
  }

  /** Who shows a screen hears how far the viewers are, and whether they need a keyframe. */
  pace: { drawn(seq: number): void; keyframe(): void; annotate(mark: Mark): void } | null = null;

  /** A stream of its own for a command shell. */
  shell() {
    return this.wire?.shell() ?? Promise.reject(new Error('not connected'));
  }

  get token() {
    return this.options.token?.() ?? null;
  }

  private told(message: ServerMessage) {
    this.heard = Date.now();
    this.spoken = true;
    switch (message.type) {
      case 'welcome':
        this.me = message.you;
        this.state = message.state;
        this.permits = message.permits;
        this.contact = { is: 'here' };
        this.beat();
        break;
      case 'happened':
        this.happened(message.entry);
        break;
      case 'caught_up':
        this.caughtUp = true;
        // What was said while the connection broke, and did not arrive, is said again.
        for (const { text, nonce } of this.said) this.wire?.send({ type: 'chat', text, nonce });
        break;
      case 'state':
        this.state = message.state;
        this.permits = message.permits;
        if (message.state.phase.is === 'ended') this.over('');
        break;
      case 'typing':
        this.typing = message.from;
        clearTimeout(this.typingTimer);
        this.typingTimer = setTimeout(() => (this.typing = null), TYPING_SHOWS);
        break;
      case 'refused':
        this.refusal = message.text.charAt(0).toUpperCase() + message.text.slice(1) + '.';
        if (message.what === 'chat') this.said = [];
        break;
      case 'pong':
        this.roundTrip = (performance.now() | 0) - message.t;
        this.customerPath = message.customer;
        this.relay = message.relay;
        break;
      case 'drawn':
        this.pace?.drawn(message.seq);
        break;
      case 'need_keyframe':
        this.pace?.keyframe();
        break;
      case 'annotate':
        this.pace?.annotate(message.mark);
        break;
      case 'bye':
        if (message.reason === 'elsewhere') this.over('elsewhere');
        break;
    }
  }

  private happened(entry: Entry) {
    if (entry.seq <= (this.entries.at(-1)?.seq ?? 0)) return;
    this.entries = [...this.entries, entry];
    const { event } = entry;
    if (event.type !== 'chat') return;
    if (event.from === this.me) this.said = this.said.filter((s) => s.nonce !== event.nonce);
    if (event.from !== this.me && this.caughtUp && (document.hidden || !this.watched)) this.unread += 1;
    if (event.from === this.typing) this.typing = null;
  }

  /** A dead connection is noticed although nothing says so. */
  beat() {
    if (this.contact.is !== 'here') return;
    if (Date.now() - this.heard > DEAD_AFTER) return this.wire?.close();
    this.wire?.send({ type: 'ping', t: performance.now() | 0 });
  }

  private over(why: string) {
    this.contact = { is: 'over', why };
    this.stop();
  }

  send(message: ClientMessage) {
    this.refusal = '';
    this.wire?.send(message);
  }

  /** Says something; it is said again after a reconnect if it did not arrive. */
  say(text: string) {
    const nonce = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    this.said = [...this.said, { text, nonce }];
    this.send({ type: 'chat', text, nonce });
  }

  act(input: import('$lib/api/types/Input').Input) {
    this.wire?.act(input);
  }

  /** Somebody looks at this session now, or no more. */
  watch(now: boolean) {
    this.watched = now;
    if (now && !document.hidden) this.unread = 0;
  }

  /** Why an act may not be done now; null when it may. */
  whyNot(act: string): string | null {
    if (this.contact.is !== 'here') return 'the connection is being made';
    const permit = this.permits.find((p) => p.act === act);
    return permit?.why_not ? REFUSALS[permit.why_not] : permit ? null : 'this is not possible';
  }

  /** Ends the connection; the session goes on. */
  stop() {
    this.left = true;
    clearInterval(this.alive);
    removeEventListener('online', this.hurry);
    document.removeEventListener('visibilitychange', this.looked);
    const wire = this.wire;
    // The last messages are on their way; they may arrive.
    setTimeout(() => wire?.close(), 500);
  }
}
