import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from '$lib/api/client';
import type { ClientMessage } from '$lib/api/types/ClientMessage';
import type { ServerMessage } from '$lib/api/types/ServerMessage';
import type { Handlers } from '$lib/api/wire';
import { SessionConnection } from './connection.svelte';

/** A wire whose other end the test holds. */
class FakeWire {
  sent: ClientMessage[] = [];
  transport = 'socket' as const;
  constructor(
    readonly have: number,
    private handlers: Handlers
  ) {}
  send(message: ClientMessage) {
    this.sent.push(message);
  }
  say(message: object) {
    this.handlers.message(message as ServerMessage);
  }
  close() {
    this.handlers.closed();
  }
}

const wires: FakeWire[] = [];
vi.mock('$app/state', () => ({ updated: { check: async () => false } }));
vi.mock('$lib/api/wire', () => ({
  Wire: {
    open: async (_ticket: string, _client: string, have: number, handlers: Handlers) => {
      const wire = new FakeWire(have, handlers);
      wires.push(wire);
      return wire;
    }
  }
}));

const page = { hidden: false, addEventListener: () => {}, removeEventListener: () => {} };
beforeEach(() => {
  vi.useFakeTimers();
  for (const name of ['addEventListener', 'removeEventListener']) vi.stubGlobal(name, () => {});
  vi.stubGlobal('document', page);
});
afterEach(() => {
  wires.length = 0;
  page.hidden = false;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const state = (phase = 'active') => ({ phase: { is: phase }, participants: [] });
const welcome = { type: 'welcome', you: 1, state: state(), permits: [] };
const chat = (seq: number, from: number, text: string, nonce: number) => ({
  type: 'happened',
  entry: { seq, at: seq, event: { type: 'chat', from, text, nonce } }
});

async function connected() {
  const connection = new SessionConnection({ client: 'console', ticket: async () => 'ticket' });
  await settle();
  wires[0]!.say(welcome);
  wires[0]!.say({ type: 'caught_up' });
  return connection;
}
const chats = (wire: FakeWire) => wire.sent.flatMap((m) => (m.type === 'chat' ? [m.text] : []));

describe('a session connection', () => {
  test('comes back by itself, asks for what it lacks, and repeats what did not arrive', async () => {
    const connection = await connected();
    connection.chat('arrived');
    const { nonce } = wires[0]!.sent.find((m) => m.type === 'chat') as { nonce: number };
    wires[0]!.say(chat(7, 1, 'arrived', nonce));
    connection.chat('lost');
    wires[0]!.close();
    await settle();
    expect(connection.status).toEqual({ is: 'reconnecting' });
    await vi.advanceTimersByTimeAsync(300);
    expect([wires.length, wires[1]!.have]).toEqual([2, 7]);
    wires[1]!.say(welcome);
    expect(connection.status).toEqual({ is: 'here' });
    wires[1]!.say({ type: 'caught_up' });
    expect(chats(wires[1]!)).toEqual(['lost']);
    connection.stop();
  });

  test.each([401, 404, 409])('is over when there is no way back: %d', async (status) => {
    const connection = new SessionConnection({
      client: 'console',
      ticket: () => Promise.reject(new ApiError(status, 'It has ended.'))
    });
    await settle();
    expect(connection.status).toEqual({ is: 'over', why: 'It has ended.' });
  });

  test('is over with its session', async () => {
    const connection = await connected();
    wires[0]!.say({ type: 'state', state: state('ended'), permits: [] });
    expect(connection.status).toEqual({ is: 'over', why: '' });
  });

  test('takes each entry once, and counts what nobody saw', async () => {
    const connection = await connected();
    connection.setWatched(true);
    wires[0]!.say(chat(1, 2, 'seen', 1));
    expect(connection.unread).toBe(0);
    connection.setWatched(false);
    for (let n = 0; n < 2; n++) wires[0]!.say(chat(2, 2, 'not seen', 2));
    wires[0]!.say(chat(3, 1, 'my own', 3));
    expect([connection.entries.map((e) => e.seq), connection.unread]).toEqual([[1, 2, 3], 1]);
    connection.setWatched(true);
    expect(connection.unread).toBe(0);
    connection.stop();
  });

  test('notices a connection that is dead although nothing says so', async () => {
    const connection = await connected();
    await vi.advanceTimersByTimeAsync(16_000);
    expect(wires.length).toBeGreaterThan(1);
    connection.stop();
  });

  test('says why something may not be done', async () => {
    const connection = await connected();
    wires[0]!.say({
      type: 'state',
      state: state(),
      permits: [
        { act: 'chat', why_not: 'on_hold' },
        { act: 'hold', why_not: null }
      ]
    });
    expect([connection.denial('chat'), connection.denial('hold'), connection.denial('fly')]).toEqual([
      'the session is on hold',
      null,
      'this is not possible'
    ]);
    connection.stop();
  });
});
