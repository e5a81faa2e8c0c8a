// The verdict on a bundle, in a browser and without a network: the same rules as `deskside-verify`, written a second time,
// so that an auditor need not trust one program.

import { compare, type Segment } from './video';
import { files, type Stored } from './zip';

const MARK = 'deskside-bundle-1';
/** The signature at the end: mark, key, signature, and the spaces between them. */
const SIGNATURE = MARK.length + 1 + 64 + 1 + 128;
const SHOWN_AS_WHOLE = 256 * 1024 * 1024;

interface Seal {
  session: string;
  seq: number;
  hash: string;
  at: number;
  key: string;
  signature: string;
}

export interface Verdict {
  whole: boolean;
  about: string;
  /** The fingerprint of the key that signed the whole file. */
  key: string;
  entries: number;
  findings: string[];
}

const hex = (bytes: ArrayBuffer | Uint8Array) =>
  [...new Uint8Array(bytes as ArrayBuffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
const sha = async (bytes: BufferSource) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
const utf8 = (text: string) => new TextEncoder().encode(text);

function unhex(text: string, length: number): Uint8Array<ArrayBuffer> | null {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length }, (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16));
}

async function signed(key: string, text: string, signature: string): Promise<boolean> {
  const [k, s] = [unhex(key, 32), unhex(signature, 64)];
  if (!k || !s) return false;
  const imported = await crypto.subtle.importKey('raw', k, 'Ed25519', false, ['verify']).catch(() => null);
  return imported !== null && crypto.subtle.verify('Ed25519', imported, s, utf8(text));
}

export async function fingerprint(key: string): Promise<string> {
  return hex((await sha(utf8(key))).slice(0, 16)).replace(/(.{4})(?=.)/g, '$1 ');
}

/** SHA-256 of something that may be too large for the memory; browsers have it only for the whole. */
async function sum(content: Blob): Promise<string> {
  return hex(await sha(await content.arrayBuffer()));
}

export async function judge(bundle: Blob): Promise<Verdict> {
  const verdict: Verdict = { whole: false, about: '', key: '', entries: 0, findings: [] };
  const find = (text: string) => void (verdict.findings.includes(text) || verdict.findings.push(text));
  const covered = bundle.slice(0, Math.max(0, bundle.size - SIGNATURE));
  const comment = new TextDecoder().decode(await bundle.slice(-SIGNATURE).arrayBuffer());
  const [mark, key, signature, more] = comment.split(' ');
  const holds =
    mark === MARK &&
    more === undefined &&
    (await signed(key ?? '', `deskside bundle 1\n${await sum(covered)}\n`, signature ?? ''));
  if (holds) verdict.key = await fingerprint(key!);
  else find('The file is not as it was signed: at least one byte of it was changed.');
  let all: Stored[] = [];
  try {
    all = await files(bundle);
  } catch (error) {
    find(`This is not a whole bundle: ${(error as Error).message}.`);
    return verdict;
  }
  const sums = new Map<string, string>();
  for (const f of all) sums.set(f.name, await sum(f.content));
  const text = async (name: string) => {
    const file = all.find((f) => f.name === name);
    if (!file) find(`${name} is missing.`);
    return file && file.content.size < SHOWN_AS_WHOLE ? file.content.text() : '';
  };
  const parse = async <T>(name: string, instead: T): Promise<T> => {
    try {
      return JSON.parse(await text(name)) as T;
    } catch {
      find(`${name} was changed after it was stored.`);
      return instead;
    }
  };

  const manifest = await parse<{ name: string; sha256: string }[]>('manifest.json', []);
  for (const { name, sha256 } of manifest) {
    if (!sums.has(name)) find(`${name} is missing.`);
    else if (sums.get(name) !== sha256) find(`${name} was changed after it was stored.`);
  }
  for (const name of sums.keys())
    if (name !== 'manifest.json' && !manifest.some((m) => m.name === name)) find(`${name} was added.`);

  const keys = await parse<{ key: string; since: number; by: [string, string] | null }[]>('keys.json', []);
  for (const [n, k] of keys.entries()) {
    const endorsed = !k.by || (await signed(k.by[0], `deskside endorsement 1\n${k.key}\n${k.since}\n`, k.by[1]));
    if (!endorsed || (k.by?.[0] ?? null) !== (keys[n - 1]?.key ?? null))
      find(`The keys do not belong together: ${await fingerprint(k.key)} is not endorsed by the key before it.`);
  }
  if (holds && !keys.some((k) => k.key === key))
    find(`The keys do not belong together: ${verdict.key} is not among them.`);

  const seals = await parse<Seal[]>('seals.json', []);
  const session = seals[0]?.session ?? '';
  const segments: Segment[] = [];
  const hashes = await timeline(await text('timeline.jsonl'), session, verdict, sums, find, segments);
  const video = all.find((f) => f.name === 'video.webm');
  if (video && segments.length) {
    const { wrong, more } = await compare(video.content, segments, sum);
    for (const n of wrong) {
      const until = new Date(segments[n - 1]!.at).toISOString().slice(0, 19).replace('T', ' ');
      find(`The video was changed in its segment ${n}, recorded until ${until} UTC.`);
    }
    if (more) find('video.webm was changed after it was stored.');
  }
  for (const s of seals) {
    const said = `deskside seal 1\n${s.session}\n${s.seq}\n${s.hash}\n${s.at}\n${s.key}\n`;
    const right = hashes[s.seq - 1] === s.hash && s.session === session && keys.some((k) => k.key === s.key);
    if (!right || !(await signed(s.key, said, s.signature)))
      find(`The server's seal under entry ${s.seq} of the timeline does not hold.`);
  }
  if (Math.max(0, ...seals.map((s) => s.seq)) !== hashes.length)
    find('No seal of the server covers the end of the timeline.');
  verdict.whole = verdict.findings.length === 0;
  return verdict;
}

/** Follows the chain; gives the hash of every entry. */
async function timeline(
  lines: string,
  session: string,
  verdict: Verdict,
  sums: Map<string, string>,
  find: (text: string) => void,
  segments: Segment[]
): Promise<string[]> {
  const hashes: string[] = [];
  let before = new Uint8Array(32);
  for (const line of lines.split('\n').filter(Boolean)) {
    const seq = hashes.length + 1;
    try {
      const entry = JSON.parse(line) as { seq: number; at: number; body: string; hash: string };
      const numbers = new DataView(new ArrayBuffer(12));
      numbers.setUint32(0, entry.seq);
      numbers.setBigUint64(4, BigInt(entry.at));
      const head = seq === 1 ? utf8(session) : new Uint8Array();
      const link = await sha(await new Blob([before, head, numbers.buffer, utf8(entry.body)]).arrayBuffer());
      if (entry.seq !== seq || hex(link) !== entry.hash) {
        find(`The timeline was changed: entry ${seq} was changed after it was stored.`);
        return hashes;
      }
      before = link;
      hashes.push(entry.hash);
      const event = JSON.parse(entry.body) as Record<string, unknown> & { type: string };
      if (event.type === 'recorded') segments.push({ ...(event as unknown as Segment), at: entry.at });
      deed(event, session, verdict, sums, find);
    } catch {
      find(`The timeline was changed: line ${seq} of it cannot be read.`);
      return hashes;
    }
  }
  verdict.entries = hashes.length;
  if (!hashes.length) find('The timeline was changed: it is empty.');
  return hashes;
}

/** What an entry says of files that are kept beside the timeline. */
function deed(
  event: Record<string, unknown>,
  session: string,
  verdict: Verdict,
  sums: Map<string, string>,
  find: (text: string) => void
) {
  const named: Record<string, string> = {
    system_info_read: `system/${event.number}.json`,
    screenshot_taken: `screenshots/${event.number}.png`,
    file_posted: `files/${event.number}`,
    shell_ended: `shells/${event.number}.cast`
  };
  const expected: [string, unknown][] = [];
  const name = named[event.type as string];
  if (name && event.sha256) expected.push([name, event.sha256]);
  if (event.type === 'stored') {
    if (event.recording_sha256) expected.push(['video.webm', event.recording_sha256]);
    if (event.pointer_sha256) expected.push(['pointer.bin', event.pointer_sha256]);
    expected.push(['transcript.txt', event.transcript_sha256]);
  }
  for (const [file, sha256] of expected) {
    if (!sums.has(file)) find(`${file} is missing.`);
    else if (sums.get(file) !== sha256) find(`${file} was changed after it was stored.`);
  }
  if (event.type === 'created') {
    const incident = event.incident as { number: string; customer: string; subject: string };
    const of = event.organisation ? ` of ${event.organisation as string}` : '';
    verdict.about = `session ${session}${of}: ${incident.number} for ${incident.customer} (${incident.subject})`;
  }
}
