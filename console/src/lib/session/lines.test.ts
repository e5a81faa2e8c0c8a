import { describe, expect, it } from 'vitest';
import type { Entry } from '$lib/api/types/Entry';
import { lines } from './lines';

const entry = (seq: number, event: Entry['event']): Entry => ({ seq, at: seq * 1000, event });

describe('lines', () => {
  const entries = [
    entry(1, { type: 'joined', id: 1, role: 'technician', name: 'Tom', client: 'console', user: 1, rights: [] }),
    entry(2, { type: 'joined', id: 2, role: 'customer', name: 'Ada', client: 'program', user: null, rights: [] }),
    entry(3, { type: 'chat', from: 2, text: 'Hello', nonce: 1 }),
    entry(4, { type: 'left', id: 2 })
  ];

  it('says who spoke and who left, by name', () => {
    expect(
      lines(entries, [], 1, 'technician').map((l) =>
        l.kind === 'said' ? `${l.who}: ${l.text}` : l.kind === 'file' ? l.name : l.text
      )
    ).toEqual(['Ada has joined (with the support program)', 'Ada: Hello', 'Ada has left the conversation']);
  });
});

describe('words of others', () => {
  it('mislead nobody', () => {
    const evil = 'fdp\u202Eexe\r';
    const seen = 'fdp\uFFFDexe\uFFFD';
    const said = lines(
      [
        entry(1, { type: 'joined', id: 2, role: 'customer', name: evil, client: 'program', user: null, rights: [] }),
        entry(2, { type: 'chat', from: 2, text: `${evil}\nsecond line`, nonce: 1 }),
        entry(3, { type: 'noted', by: { id: 1, name: 'Tom' }, text: evil }),
        entry(4, { type: 'file_failed', by: 2, way: 'to_customer', path: '/a', reason: evil }),
        entry(5, { type: 'process_ended', by: 2, pid: 7, name: evil }),
        entry(6, { type: 'sharing_failed', reason: evil })
      ],
      [],
      1,
      'technician'
    );
    expect(said.map((l) => ('text' in l ? l.text : ''))).toEqual([
      `${seen} has joined (with the support program)`,
      `${seen}\nsecond line`,
      seen,
      `a could not be sent: ${seen}`,
      `${seen} has ended the process ${seen} (7)`,
      `The screen cannot be shared: ${seen}`
    ]);
  });
});

describe('files in a row', () => {
  it('makes one line of many files in a row', () => {
    const carried = (seq: number, path: string, way: 'to_customer' | 'from_customer' = 'to_customer'): Entry => ({
      seq,
      at: seq,
      event: { type: 'file_carried', by: 1, way, path, bytes: 1_000, sha256: '' }
    });
    const said = (entries: Entry[]) => lines(entries, [], 1, 'technician').map((l) => ('text' in l ? l.text : ''));
    const chat: Entry = { seq: 9, at: 9, event: { type: 'chat', from: 1, text: 'hello', nonce: 1 } };
    expect(said([carried(1, '/a'), carried(2, '/b'), carried(3, '/c')])).toEqual([
      'You have sent 3 files (3.0 kB), c the last'
    ]);
    expect(said([carried(1, '/a'), chat, carried(10, '/b'), carried(11, '/c', 'from_customer')])).toEqual([
      'You have sent a (1.0 kB)',
      'hello',
      'You have sent b (1.0 kB)',
      'You have fetched c (1.0 kB)'
    ]);
  });
});
