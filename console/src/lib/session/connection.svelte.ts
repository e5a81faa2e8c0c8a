// Taking part in a session: the newest state, the timeline, and a connection that reconnects by itself.

import { updated } from '$app/state';
import { ApiError, errorMessage } from '$lib/api/client';
import type { Client } from '$lib/api/types/Client';
import type { ClientMessage } from '$lib/api/types/ClientMessage';
import type { Entry } from '$lib/api/types/Entry';
import type { Input } from '$lib/api/types/Input';
import type { Mark } from '$lib/api/types/Mark';
import type { Path } from '$lib/api/types/Path';
import type { Permit } from '$lib/api/types/Permit';
import type { ServerMessage } from '$lib/api/types/ServerMessage';
import type { SessionState } from '$lib/api/types/SessionState';
import { Wire, type Transport } from '$lib/api/wire';
import { readFrames, type Frame } from '$lib/viewer/frames';
import { Backoff } from '$lib/api/backoff';
import { REFUSALS } from './refusals';
import { UnconfirmedMessages } from './unconfirmed';

export type ConnectionStatus =
  { is: 'connecting' } | { is: 'here' } | { is: 'reconnecting' } | { is: 'over'; why: string };

export interface Options {
  client: Client;
  /** Requests a new ticket. An ApiError with status 401, 404 or 409 means that reconnecting is not possible. */
  ticket: () => Promise<string>;
  /** Whether this page sees the screen. */
  sees?: boolean;
  /** The web API of this session for somebody without an account, authorised by a token. */
  token?: () => string;
}

/** A consumer of the screen's frames. */
export interface FrameSink {
  frame(frame: Frame): void;
  /** Frames wait until the decoder's abilities are known. */
  ready: Promise<unknown>;
}

/** What a page that shares its screen learns about its viewers. */
export interface SharingFeedback {
  drawn(seq: number): void;
  keyframe(): void;
  annotate(mark: Mark): void;
}

const TYPING_SHOWS = 4_000;
const PING_EVERY = 5_000;
const DEAD_AFTER = 12_000;
const NO_WAY_BACK = [401, 404, 409];

export class SessionConnection {
  status = $state<ConnectionStatus>({ is: 'connecting' });
  state = $state.raw<SessionState | null>(null);
  permits = $state.raw<Permit[]>([]);
  entries = $state.raw<Entry[]>([]);
  /** The participant of this page. */
  me = $state(0);
  typing = $state<number | null>(null);
  refusal = $state('');
  roundTrip = $state<number | null>(null);
  /** How this page and the customer's program reach the server. */
  transport = $state<Transport | null>(null);
  customerPath = $state.raw<Path | null>(null);
  /** How long the last picture stayed in the server, in tenths of a millisecond. */
  relay = $state<number | null>(null);
  caughtUp = $state(false);
  /** Messages of others that arrived while nobody looked. */
  unread = $state(0);
  /** Set by a page that shares its screen. */
  sharing: SharingFeedback | null = null;
  /** Whether this session is the visible one. */
  private watched = false;
  private sink: FrameSink | null = null;
  private wire: Wire | null = null;
  private typingTimer?: ReturnType<typeof setTimeout>;
  private lastHeard = 0;
  private pinging?: ReturnType<typeof setInterval>;
  private stopped = false;
  /** Whether the server has answered on this connection. */
  private answered = false;
  private unconfirmed = new UnconfirmedMessages();
  private retryNow?: () => void;

  constructor(private options: Options) {
    void this.run();
    this.pinging = setInterval(() => this.ping(), PING_EVERY);
    addEventListener('online', this.onOnline);
    document.addEventListener('visibilitychange', this.onVisibilityChange);
  }

  private onOnline = () => this.retryNow?.();
  private onVisibilityChange = () => {
    if (!document.hidden && this.watched) this.unread = 0;
  };

  /** Connects repeatedly until the session has ended for this page. */
  private async run() {
    const backoff = new Backoff();
    while (!this.stopped) {
      try {
        this.answered = false;
        const ended = await this.connect();
        if (ended) return;
      } catch (error) {
        if (error instanceof ApiError && NO_WAY_BACK.includes(error.status)) return this.end(errorMessage(error));
      }
      if (this.stopped || this.status.is === 'over') return;
      if (this.answered) backoff.reset();
      // The connection ended before the first message: the server may be newer and speak another version.
      else if (await updated.check().catch(() => false)) return location.reload();
      this.status = { is: 'reconnecting' };
      await new Promise<void>((resolve) => {
        this.retryNow = resolve;
        setTimeout(resolve, backoff.next());
      });
    }
  }

  /** One connection, from its ticket to its end. True when the session has ended for this page. */
  private async connect(): Promise<boolean> {
    const ticket = await this.options.ticket();
    const have = this.entries.at(-1)?.seq ?? 0;
    return new Promise((resolve, reject) => {
      const handlers = {
        message: (message: ServerMessage) => this.receive(message),
        closed: () => resolve(this.status.is === 'over'),
        ...(this.options.sees ? { screen: this.readScreen } : {})
      };
      Wire.open(ticket, this.options.client, have, handlers).then((wire) => {
        this.wire = wire;
        this.transport = wire.transport;
        this.lastHeard = Date.now();
      }, reject);
    });
  }

  private readScreen = async (reader: ReadableStreamDefaultReader<Uint8Array>, rest: Uint8Array<ArrayBufferLike>) => {
    await this.sink?.ready;
    await readFrames(reader, rest, (frame) => {
      // While nobody looks, frames count as seen, so that the recording continues and nothing queues up.
      if (this.sink) this.sink.frame(frame);
      else if (frame.kind !== 'shape') this.send({ type: 'drawn', seq: frame.seq });
    });
  };

  /** Sends the screen's frames to this sink from now on; a keyframe comes as soon as possible. */
  attachScreen(sink: FrameSink) {
    this.sink = sink;
    if (this.state?.screen) void sink.ready.then(() => this.send({ type: 'need_keyframe' }));
  }

  detachScreen(sink: FrameSink) {
    if (this.sink === sink) this.sink = null;
  }

  /** A new stream for the screen that this page shares. */
  openScreenStream() {
    return this.wire?.openScreenStream() ?? Promise.reject(new Error('not connected'));
  }

  /** A stream for a command shell. */
  openShell() {
    return this.wire?.openShell() ?? Promise.reject(new Error('not connected'));
  }

  get token() {
    return this.options.token?.() ?? null;
  }

  private receive(message: ServerMessage) {
    this.lastHeard = Date.now();
    this.answered = true;
    switch (message.type) {
      case 'welcome':
        this.me = message.you;
        this.state = message.state;
        this.permits = message.permits;
        this.status = { is: 'here' };
        this.ping();
        break;
      case 'happened':
        this.append(message.entry);
        break;
      case 'caught_up':
        this.caughtUp = true;
        // Messages that did not arrive when the connection broke are sent again.
        for (const { text, nonce } of this.unconfirmed.all) this.wire?.send({ type: 'chat', text, nonce });
        break;
      case 'state':
        this.state = message.state;
        this.permits = message.permits;
        if (message.state.phase.is === 'ended') this.end('');
        break;
      case 'typing':
        this.typing = message.from;
        clearTimeout(this.typingTimer);
        this.typingTimer = setTimeout(() => (this.typing = null), TYPING_SHOWS);
        break;
      case 'refused':
        this.refusal = message.text.charAt(0).toUpperCase() + message.text.slice(1) + '.';
        if (message.what === 'chat') this.unconfirmed.drop();
        break;
      case 'pong':
        this.roundTrip = (performance.now() | 0) - message.t;
        this.customerPath = message.customer;
        this.relay = message.relay;
        break;
      case 'drawn':
        this.sharing?.drawn(message.seq);
        break;
      case 'need_keyframe':
        this.sharing?.keyframe();
        break;
      case 'annotate':
        this.sharing?.annotate(message.mark);
        break;
      case 'bye':
        if (message.reason === 'elsewhere') this.end('elsewhere');
        break;
    }
  }

  private append(entry: Entry) {
    if (entry.seq <= (this.entries.at(-1)?.seq ?? 0)) return;
    this.entries = [...this.entries, entry];
    const { event } = entry;
    if (event.type !== 'chat') return;
    if (event.from === this.me) this.unconfirmed.confirm(event.nonce);
    else if (this.caughtUp && (document.hidden || !this.watched)) this.unread += 1;
    if (event.from === this.typing) this.typing = null;
  }

  /** Measures the round trip; reveals a dead connection. */
  ping() {
    if (this.status.is !== 'here') return;
    if (Date.now() - this.lastHeard > DEAD_AFTER) return this.wire?.close();
    this.wire?.send({ type: 'ping', t: performance.now() | 0 });
  }

  private end(why: string) {
    this.status = { is: 'over', why };
    this.stop();
  }

  send(message: ClientMessage) {
    this.refusal = '';
    this.wire?.send(message);
  }

  /** Sends a chat message; it is sent again after a reconnect if it did not arrive. */
  chat(text: string) {
    this.send({ type: 'chat', ...this.unconfirmed.add(text) });
  }

  sendInput(input: Input) {
    this.wire?.sendInput(input);
  }

  /** Sets whether this session is the visible one. */
  setWatched(now: boolean) {
    this.watched = now;
    if (now && !document.hidden) this.unread = 0;
  }

  /** Why an action is not possible now; null when it is. */
  denial(action: string): string | null {
    if (this.status.is !== 'here') return 'the connection is being made';
    const permit = this.permits.find((p) => p.act === action);
    return permit?.why_not ? REFUSALS[permit.why_not] : permit ? null : 'this is not possible';
  }

  /** Ends the connection; the session continues. */
  stop() {
    this.stopped = true;
    clearInterval(this.pinging);
    removeEventListener('online', this.onOnline);
    document.removeEventListener('visibilitychange', this.onVisibilityChange);
    const wire = this.wire;
    // The last messages are in flight; they may arrive.
    setTimeout(() => wire?.close(), 500);
  }
}
