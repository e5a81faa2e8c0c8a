// Forgeries that a stranger can make with their own key and bundles of the server: none passes.

import { describe, expect, it } from 'vitest';
import { fingerprint, hex, plain, sha, unhex, utf8 } from './bytes';
import { expecting, type Expected, type Key } from './keys';
import { judge } from './verify';

const hash = async (bytes: string | Uint8Array<ArrayBuffer>) =>
  hex(await sha(typeof bytes === 'string' ? utf8(bytes) : bytes));
const joined = async (...parts: BlobPart[]) => new Uint8Array(await new Blob(parts).arrayBuffer());

interface Pair {
  secret: CryptoKey;
  key: string;
}
/** A key pair by its number (RFC 8410: the 32 secret bytes after a fixed head). */
async function pair(n: number): Promise<Pair> {
  const coded = unhex(`302e020100300506032b657004220420${n.toString(16).padStart(2, '0').repeat(32)}`, 48)!;
  const secret = await crypto.subtle.importKey('pkcs8', coded, 'Ed25519', true, ['sign']);
  const { x } = await crypto.subtle.exportKey('jwk', secret);
  const key = hex(Uint8Array.from(atob(x!.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)));
  return { secret, key };
}
const signature = async (by: Pair, text: string) => hex(await crypto.subtle.sign('Ed25519', by.secret, utf8(text)));

const [FIRST, SECOND, OWN] = (await Promise.all([1, 2, 66].map(pair))) as [Pair, Pair, Pair];
const SESSION = '03'.repeat(16);

const endorsed = async (of: Pair, since: number, by: Pair | null): Promise<Key> => ({
  key: of.key,
  since,
  by: by && [by.key, await signature(by, `deskside endorsement 1\n${of.key}\n${since}\n`)]
});
const KEYS = [await endorsed(FIRST, 0, null), await endorsed(SECOND, 1, FIRST)];

/** The content of a bundle. */
interface Made {
  session: string;
  words: string;
  keys: Key[];
  seal: Pair;
  /** Entries after the stored one. */
  more: object[];
  files: Record<string, string>;
  under: Pair;
}
const REAL: Made = {
  session: SESSION,
  words: 'do not touch',
  keys: KEYS,
  seal: SECOND,
  more: [{ type: 'legal_hold', by: { id: 1, name: 'Tom' }, on: true, reason: 'case 4711' }],
  files: { 'system/4.json': '{}' },
  under: SECOND
};

async function timeline(made: Made): Promise<{ lines: string; hashes: string[] }> {
  const incident = { id: 1, number: 'INC-1', subject: 'Printer', customer: 'Ada' };
  const events = [
    { type: 'created', incident, owner: { id: 1, name: 'Tom' }, organisation: 'Acme' },
    { type: 'chat', from: 1, text: made.words, nonce: 1 },
    { type: 'system_info_read', by: 1, number: 4, sha256: await hash('{}') },
    { type: 'stored', recording_bytes: null, transcript_sha256: await hash(made.words) },
    ...made.more
  ];
  let before = new Uint8Array(32);
  const [lines, hashes]: [string[], string[]] = [[], []];
  for (const [n, event] of events.entries()) {
    const [seq, at, body] = [n + 1, 1_800_000_000_000 + n, JSON.stringify(event)];
    const numbers = new DataView(new ArrayBuffer(12));
    numbers.setUint32(0, seq);
    numbers.setBigUint64(4, BigInt(at));
    before = await sha(await joined(before, n === 0 ? made.session : '', numbers.buffer, body));
    hashes.push(hex(before));
    lines.push(`${JSON.stringify({ seq, at, body, hash: hashes.at(-1) })}\n`);
  }
  return { lines: lines.join(''), hashes };
}

/** Numbers in an archive's record of that length: positions, each with its size in bytes. */
function record(length: number, ...numbers: [at: number, bytes: 2 | 4, value: number][]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(length));
  for (const [at, bytes, value] of numbers)
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  return view.buffer;
}

/** The files as an uncompressed archive, up to its comment of this length. */
function zipped(list: [string, string][], comment: number): Promise<Uint8Array<ArrayBuffer>> {
  const [bodies, central]: [BlobPart[], BlobPart[]] = [[], []];
  let at = 0;
  for (const [name, content] of list) {
    const [title, body] = [utf8(name), utf8(content)];
    bodies.push(record(30, [0, 4, 0x04034b50], [26, 2, title.length]), title, body);
    const sizes: [number, 4, number][] = [20, 24].map((place) => [place, 4, body.length]);
    central.push(record(46, [0, 4, 0x02014b50], ...sizes, [28, 2, title.length], [42, 4, at]), title);
    at += 30 + title.length + body.length;
  }
  const listed = new Blob(central).size;
  const end = record(22, [0, 4, 0x06054b50], [10, 2, list.length], [12, 4, listed], [16, 4, at], [20, 2, comment]);
  return joined(...bodies, ...central, end);
}

async function packed(made: Made): Promise<Blob> {
  const { lines, hashes } = await timeline(made);
  const [seq, head, at, by] = [hashes.length, hashes.at(-1)!, 5, made.seal.key];
  const said = `deskside seal 1\n${made.session}\n${seq}\n${head}\n${at}\n${by}\n`;
  const seal = { session: made.session, seq, hash: head, at, key: by, signature: await signature(made.seal, said) };
  const list: [string, string][] = [
    ['timeline.jsonl', lines],
    ['seals.json', JSON.stringify([seal])],
    ['keys.json', JSON.stringify(made.keys)],
    ['transcript.txt', made.words],
    ...Object.entries(made.files)
  ];
  const manifest: object[] = [];
  for (const [name, content] of list) manifest.push({ name, bytes: content.length, sha256: await hash(content) });
  const archive = await zipped([...list, ['manifest.json', JSON.stringify(manifest)]], 211);
  const under = await signature(made.under, `deskside bundle 1\n${await hash(archive)}\n`);
  return new Blob([archive, `deskside-bundle-1 ${made.under.key} ${under}`]);
}

const { hashes: HASHES } = await timeline(REAL);

const expected = async (more: Partial<Expected> = {}): Promise<Expected> => {
  const typed = { key: await fingerprint(FIRST.key), session: SESSION, head: '', ...more };
  return expecting(typed) as Expected;
};

describe('a bundle', async () => {
  it('of the server is whole, by the key that signed it and by the one that leads to it', async () => {
    for (const key of [FIRST, SECOND]) {
      const found = await judge(await packed(REAL), await expected({ key: key.key, head: HASHES[3] }));
      expect([found.findings, found.outcome, found.notes]).toEqual([[], 'whole', []]);
      expect(found.about).toBe(`session ${SESSION} of Acme: INC-1 for Ada (Printer)`);
      expect([found.entries, found.head]).toEqual([5, HASHES[4]]);
    }
  });

  it('is whole in itself, and no more, when nobody says whose key it must be', async () => {
    const own = { ...REAL, keys: [await endorsed(OWN, 0, null)], seal: OWN, under: OWN };
    for (const made of [REAL, own]) expect((await judge(await packed(made))).outcome).toBe('unknown');
  });

  const wrong = async (found: Pair, expected: Pair) =>
    `${await fingerprint(found.key)}, not by ${await fingerprint(expected.key)}, which you expect, nor by one that this key has endorsed.`;
  const NOT_BY = `It was signed by the key ${await wrong(OWN, FIRST)}`;
  const NOT_SEALED = `The end of the timeline is sealed by the key ${await wrong(OWN, FIRST)}`;
  const own = { ...REAL, words: 'touch all', seal: OWN, under: OWN };
  const borrowed = { ...(await endorsed(OWN, 1, null)), by: KEYS[1]!.by };
  const selfSigned: Key = { ...(await endorsed(OWN, 2, OWN)), by: [SECOND.key, (await endorsed(OWN, 2, OWN)).by![1]] };
  const forgeries: [string, Made, string, Partial<Expected>?][] = [
    [
      'a key of one’s own, which endorses the real ones',
      { ...own, keys: [await endorsed(OWN, 0, null), await endorsed(FIRST, 1, OWN), KEYS[1]!] },
      NOT_BY
    ],
    [
      'the seal by a key that stands before the real one',
      { ...own, under: SECOND, keys: [await endorsed(OWN, 0, null), await endorsed(FIRST, 1, OWN), KEYS[1]!] },
      NOT_SEALED
    ],
    ['a key of one’s own alone', { ...own, keys: [await endorsed(OWN, 0, null)] }, NOT_BY],
    ['a borrowed endorsement', { ...own, keys: [...KEYS, borrowed] }, NOT_BY],
    ['an endorsement by oneself', { ...own, keys: [...KEYS, selfSigned] }, NOT_BY],
    ['a key without endorser', { ...own, keys: [...KEYS, await endorsed(OWN, 2, null)] }, NOT_BY],
    [
      'an older key than the expected one',
      { ...REAL, under: FIRST },
      `It was signed by the key ${await wrong(FIRST, SECOND)}`,
      { key: SECOND.key }
    ],
    [
      'another session of the server',
      { ...REAL, session: '04'.repeat(16) },
      `This is the evidence of session ${'04'.repeat(16)}, not of the one that you expect.`
    ],
    [
      'an earlier state',
      { ...REAL, more: [] },
      'The entry that you noted is not in the timeline: it was rolled back, or another was told.',
      { head: HASHES[4] }
    ],
    [
      'a name that leads elsewhere',
      { ...REAL, files: { ...REAL.files, '..\\run.exe': '' } },
      '..\\run.exe is a name that no server gives to a file.'
    ],
    [
      'a file that nothing was said of',
      { ...REAL, files: { ...REAL.files, 'video.webm': '' } },
      'video.webm was added.'
    ],
    ['a file that is gone', { ...REAL, files: {} }, 'system/4.json is missing.']
  ];
  it.each(forgeries)('with %s is found out', async (_, made, finding, more = {}) => {
    const found = await judge(await packed(made), await expected(more));
    expect(found.outcome).toBe('rejected');
    expect(found.findings).toContain(finding);
  });

  it('to which something was added that people read is found out, and what became of it is not', async () => {
    const rated = { type: 'rated', stars: 5, comment: '' };
    const found = async (more: object[]) => (await judge(await packed({ ...REAL, more }), await expected())).findings;
    expect(await found([...REAL.more, rated])).toEqual([]);
    const said = 'The timeline was changed: entry 6 was added after the transcript was stored.';
    expect(await found([...REAL.more, { type: 'chat', from: 1, text: 'yes', nonce: 2 }])).toEqual([said]);
  });

  it('of which any byte is changed is found out', async () => {
    const bytes = new Uint8Array(await (await packed(REAL)).arrayBuffer());
    for (let n = 0; n < bytes.length; n += 17) {
      const changed = bytes.slice();
      changed[n]! ^= 1;
      expect((await judge(new Blob([changed]), await expected())).outcome, `byte ${n}`).toBe('rejected');
    }
  });
});

it('what is expected is a whole fingerprint or a whole key', async () => {
  const typed = (key: string) => expecting({ key, session: '', head: '' });
  const print = await fingerprint(FIRST.key);
  for (const key of [print.toUpperCase(), print.replaceAll(' ', ':'), ` ${FIRST.key}\n`])
    expect(typed(key)).toBeTypeOf('object');
  for (const key of ['ffff', print.slice(1), `${print}0`, 'none']) expect(typed(key)).toMatch(/32 hexadecimal digits/);
});

it('what a forger writes does not look like words of the page', () => {
  expect(plain('Printer\nWhole \u202ex ü')).toBe('Printer\ufffdWhole \ufffdx ü');
});
