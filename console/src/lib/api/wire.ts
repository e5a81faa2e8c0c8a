// A connection to a session: WebTransport's streams over a WebSocket with QMux. See docs/protocol.md.

import QmuxTransport from '@moq/qmux';
import type { Client } from './types/Client';
import type { ClientMessage } from './types/ClientMessage';
import type { Hello } from './types/Hello';
import type { Input } from './types/Input';
import type { ServerMessage } from './types/ServerMessage';

// Chromium's WebSocketStream can crash the tab when its connection is cut in the middle of a transfer (seen with
// version 156). Without it, the library uses a plain WebSocket, which survives that.
Object.defineProperty(globalThis, 'WebSocketStream', { value: undefined, configurable: true, writable: true });

const VERSION = 10;
const LARGEST_MESSAGE = 1024 * 1024;

export interface Handlers {
  message(message: ServerMessage): void;
  /** A screen stream, from its first byte after the kind. */
  screen?(stream: ReadableStreamDefaultReader<Uint8Array>, rest: Uint8Array<ArrayBufferLike>): Promise<void>;
  closed(): void;
}

/** Four bytes of length, big endian, then JSON. */
export function encode(message: unknown): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const bytes = new Uint8Array(4 + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length);
  bytes.set(body, 4);
  return bytes;
}

/** Collects the bytes of a stream and returns whole messages. */
export class Framed {
  private buffer: Uint8Array<ArrayBufferLike> = new Uint8Array(0);

  push(bytes: Uint8Array<ArrayBufferLike>) {
    this.buffer = concat(this.buffer, bytes);
  }

  next(): unknown {
    if (this.buffer.length < 4) return undefined;
    const length = new DataView(this.buffer.buffer, this.buffer.byteOffset).getUint32(0);
    if (length > LARGEST_MESSAGE) throw new Error('a message is too large');
    if (this.buffer.length < 4 + length) return undefined;
    const body = this.buffer.subarray(4, 4 + length);
    this.buffer = this.buffer.subarray(4 + length);
    return JSON.parse(new TextDecoder().decode(body));
  }
}

export function concat(a: Uint8Array<ArrayBufferLike>, b: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBufferLike> {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** How much longer than the WebSocket the QUIC handshake may take. */
const HEAD_START = 500;

export type Transport = 'quic' | 'socket';

/** Tries QUIC and the WebSocket in parallel, and uses QUIC if it gets through. */
async function connectTransport(url: string): Promise<[WebTransport, Transport]> {
  const socket = new QmuxTransport(url, {
    protocols: ['deskside'],
    versions: { deskside: null },
    requireProtocol: true,
    config: { maxData: 64n << 20n, maxStreamDataUni: 32n << 20n }
  }) as unknown as WebTransport;
  if (location.protocol !== 'https:' || typeof WebTransport === 'undefined') {
    await socket.ready;
    return [socket, 'socket'];
  }
  const quic = new WebTransport(url, { congestionControl: 'low-latency' });
  for (const one of [quic, socket]) one.closed.catch(() => undefined);
  const later = socket.ready.then(() => new Promise((resolve) => setTimeout(resolve, HEAD_START)));
  const first = await Promise.any([quic.ready.then(() => 'quic' as const), later.then(() => 'socket' as const)]);
  (first === 'quic' ? socket : quic).close();
  return [first === 'quic' ? quic : socket, first];
}

export class Wire {
  private control?: WritableStreamDefaultWriter<Uint8Array>;
  private input?: Promise<WritableStreamDefaultWriter<Uint8Array>>;
  private ended = false;

  private constructor(
    private streams: WebTransport,
    readonly transport: Transport,
    private handlers: Handlers
  ) {}

  /** Connects and sends the hello. */
  static async open(ticket: string, client: Client, have: number, handlers: Handlers): Promise<Wire> {
    const [streams, transport] = await connectTransport(`${location.origin}/wire`);
    const wire = new Wire(streams, transport, handlers);
    streams.closed.then(
      () => wire.end(),
      () => wire.end()
    );
    const { readable, writable } = await streams.createBidirectionalStream();
    wire.control = writable.getWriter();
    const hello: Hello = { version: VERSION, ticket, client, have, challenge: '' };
    await wire.control.write(encode(hello));
    void wire.readControl(readable.getReader());
    if (handlers.screen) void wire.acceptStreams();
    return wire;
  }

  send(message: ClientMessage) {
    this.control?.write(encode(message)).catch(() => this.end());
  }

  /** Sends a technician's input on its own stream. */
  sendInput(input: Input) {
    this.input ??= this.openInput();
    this.input.then((writer) => writer.write(encode(input))).catch(() => this.end());
  }

  /** A stream for a screen that this page shares, starting with a keyframe. */
  async openScreenStream() {
    const stream = await this.streams.createUnidirectionalStream();
    const writer = stream.getWriter();
    await writer.write(new TextEncoder().encode('S'));
    return writer;
  }

  /** A bidirectional stream for a command shell: messages in, raw output out. */
  async openShell() {
    const { readable, writable } = await this.streams.createBidirectionalStream();
    return { output: readable.getReader(), input: writable.getWriter() };
  }

  close() {
    this.ended = true;
    this.streams.close();
  }

  private async openInput() {
    const stream = await this.streams.createUnidirectionalStream({ sendOrder: 10 });
    const writer = stream.getWriter();
    await writer.write(new TextEncoder().encode('I'));
    return writer;
  }

  private async readControl(reader: ReadableStreamDefaultReader<Uint8Array>) {
    const framed = new Framed();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        framed.push(value);
        for (let message = framed.next(); message !== undefined; message = framed.next()) {
          this.handlers.message(message as ServerMessage);
        }
      }
    } catch {
      // To the page, a broken stream and a broken connection are the same.
    }
    this.streams.close();
    this.end();
  }

  private async acceptStreams() {
    const incoming = this.streams.incomingUnidirectionalStreams.getReader();
    // Screen streams follow one another: the next one starts with a keyframe, so it is read after the previous one.
    let before: Promise<void> = Promise.resolve();
    try {
      for (;;) {
        const { value: stream, done } = await incoming.read();
        if (done) return;
        before = before.then(() => this.readScreen(stream)).catch(() => undefined);
      }
    } catch {
      // The connection ended.
    }
  }

  private async readScreen(stream: ReadableStream<Uint8Array>) {
    const reader = stream.getReader();
    const { value, done } = await reader.read();
    if (done || value[0] !== 'S'.charCodeAt(0)) return;
    await this.handlers.screen?.(reader, value.subarray(1));
  }

  private end() {
    if (this.ended) return;
    this.ended = true;
    this.handlers.closed();
  }
}
