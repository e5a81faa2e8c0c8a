// The verdict on a bundle, in a browser and offline: the same rules as `deskside-verify`, in a second implementation,
// so that an auditor need not trust one program.

import { fingerprint, hex, plain, sha, signed, sum, utf8 } from './bytes';
import { printOf, vouchedFor, wrong, type Expected, type Key } from './keys';
import { compare, type Segment } from './video';
import { files, type Stored } from './zip';

const MARK = 'deskside-bundle-1';
/** The signature at the end: mark, key, signature, and the spaces between them. */
const SIGNATURE = MARK.length + 1 + 64 + 1 + 128;
const SHOWN_AS_WHOLE = 256 * 1024 * 1024;
/** The names that a file of a bundle may have: none leads out of the folder where it is unpacked. */
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)?$/;
/** The events that may follow when the transcript is stored: none belongs to it. */
const AFTER = ['attributed', 'rated', 'recorded', 'stored', 'watched', 'exported', 'legal_hold'];
/** Files that only an event brings into a bundle. */
const BESIDE = /^(video\.webm|video-with-pointer\.webm|pointer\.bin|(system|screenshots|files|shells)\/.*)$/;

interface Seal {
  session: string;
  seq: number;
  hash: string;
  at: number;
  key: string;
  signature: string;
}

/** The outcome. `unknown` is whole in itself, without an expected key. */
export type Outcome = 'whole' | 'unknown' | 'rejected';

export interface Verdict {
  outcome: Outcome;
  session: string;
  about: string;
  /** The fingerprint of the key that signed the file. */
  key: string;
  entries: number;
  /** The hash of the last entry, and when it was sealed. */
  head: string;
  sealed: number;
  findings: string[];
  notes: string[];
}

const NOBODY: Expected = { key: '', session: '', head: '' };

export async function judge(bundle: Blob, expected: Expected = NOBODY): Promise<Verdict> {
  const verdict: Verdict = {
    outcome: 'rejected',
    session: '',
    about: '',
    key: '',
    entries: 0,
    head: '',
    sealed: 0,
    findings: [],
    notes: []
  };
  const add = (to: string[]) => (text: string) => void (to.includes(plain(text)) || to.push(plain(text)));
  await new Judge(verdict, expected, add(verdict.findings), add(verdict.notes)).run(bundle);
  if (!verdict.findings.length) verdict.outcome = expected.key ? 'whole' : 'unknown';
  return verdict;
}

class Judge {
  private all: Stored[] = [];
  private readonly sums = new Map<string, string>();
  /** The stored files that the timeline names, with their hashes. */
  private readonly named = new Map<string, string[]>();
  private readonly segments: Segment[] = [];
  private readonly hashes: string[] = [];
  /** The hash of the stored transcript. */
  private stored: string | null = null;

  constructor(
    private readonly verdict: Verdict,
    private readonly expected: Expected,
    private readonly find: (text: string) => void,
    private readonly note: (text: string) => void
  ) {}

  async run(bundle: Blob) {
    const signer = await this.signature(bundle);
    try {
      this.all = await files(bundle);
    } catch (error) {
      this.find(`This is not a whole bundle: ${(error as Error).message}.`);
      return;
    }
    await this.files();
    const keys = await this.list<Key>('keys.json');
    const vouched = await this.keys(keys, signer);
    const seals = await this.list<Seal>('seals.json');
    this.verdict.session = String(seals[0]?.session ?? '');
    if (this.expected.session && this.expected.session !== this.verdict.session)
      this.find(`This is the evidence of session ${this.verdict.session}, not of the one that you expect.`);
    await this.timeline(await this.text('timeline.jsonl'));
    if (this.expected.head && !this.hashes.includes(this.expected.head))
      this.find('The entry that you noted is not in the timeline: it was rolled back, or another was told.');
    await this.video();
    await this.seals(seals, keys, vouched);
    this.beside();
  }

  /** The key that signed the file; empty when the signature is invalid. */
  private async signature(bundle: Blob): Promise<string> {
    const covered = bundle.slice(0, Math.max(0, bundle.size - SIGNATURE));
    const comment = new TextDecoder().decode(await bundle.slice(-SIGNATURE).arrayBuffer());
    const [mark, key = '', signature = '', more] = comment.split(' ');
    const text = `deskside bundle 1\n${await sum(covered)}\n`;
    if (mark === MARK && more === undefined && (await signed(key, text, signature))) {
      this.verdict.key = await fingerprint(key);
      return key;
    }
    this.find('The file is not as it was signed: at least one byte of it was changed.');
    return '';
  }

  private async text(name: string): Promise<string> {
    const file = this.all.find((f) => f.name === name);
    if (!file) this.find(`${name} is missing.`);
    return file && file.content.size < SHOWN_AS_WHOLE ? file.content.text() : '';
  }

  private async list<T>(name: string): Promise<T[]> {
    try {
      const read: unknown = JSON.parse(await this.text(name));
      if (Array.isArray(read)) return read as T[];
    } catch {
      // Reported below.
    }
    this.find(`${name} was changed after it was stored.`);
    return [];
  }

  /** Every file is in the manifest, with its hash. */
  private async files() {
    for (const f of this.all) {
      if (this.sums.has(f.name)) this.find('This is not a whole bundle: two of its files have one name.');
      this.sums.set(f.name, await sum(f.content));
    }
    const manifest = await this.list<{ name: string; sha256: string }>('manifest.json');
    for (const { name, sha256 } of manifest) {
      if (!this.sums.has(name)) this.find(`${name} is missing.`);
      else if (this.sums.get(name) !== sha256) this.find(`${name} was changed after it was stored.`);
    }
    for (const name of this.sums.keys()) {
      if (!NAME.test(name)) this.find(`${name} is a name that no server gives to a file.`);
      if (name !== 'manifest.json' && !manifest.some((m) => m.name === name)) this.find(`${name} was added.`);
    }
  }

  /** The keys for which the expected one vouches; null when none is expected. */
  private async keys(keys: Key[], signer: string): Promise<Set<string> | null> {
    for (const text of await wrong(keys)) this.find(text);
    if (signer && !keys.some((k) => k.key === signer))
      this.find(`The keys do not belong together: ${this.verdict.key} has signed, and is not among them.`);
    const vouched = this.expected.key ? await vouchedFor(keys, this.expected.key) : null;
    if (signer && vouched && !vouched.has(signer)) this.find(`It was signed by the key ${await this.wrong(signer)}`);
    return vouched;
  }

  /** The key that was found, and the expected one, which does not vouch for it. */
  private async wrong(found: string): Promise<string> {
    const expected = await printOf(this.expected.key);
    return `${await fingerprint(found)}, not by ${expected}, which you expect, nor by one that this key has endorsed.`;
  }

  /** The seal at the end covers all entries, so the expected key must vouch for that one. */
  private async seals(seals: Seal[], keys: Key[], vouched: Set<string> | null) {
    const end = this.hashes.length;
    let covered = false;
    for (const s of seals) {
      const said = `deskside seal 1\n${s.session}\n${s.seq}\n${s.hash}\n${s.at}\n${s.key}\n`;
      const known = keys.some((k) => k.key === s.key);
      const right = this.hashes[s.seq - 1] === s.hash && s.session === this.verdict.session && known;
      if (!right || !(await signed(s.key, said, s.signature)))
        this.find(`The server's seal under entry ${s.seq} of the timeline does not hold.`);
      else if (vouched && !vouched.has(s.key) && s.seq === end)
        this.find(`The end of the timeline is sealed by the key ${await this.wrong(s.key)}`);
      else if (vouched && !vouched.has(s.key))
        this.note(
          `The seal under entry ${s.seq} is by an earlier key than the one that you expect. A later one covers it.`
        );
      if (s.seq === end) [covered, this.verdict.sealed] = [true, s.at];
    }
    if (!covered) this.find('No seal of the server covers the end of the timeline.');
  }

  /** Verifies the hash chain. */
  private async timeline(lines: string) {
    let before = new Uint8Array(32);
    for (const line of lines.split('\n').filter(Boolean)) {
      const seq = this.hashes.length + 1;
      try {
        const entry = JSON.parse(line) as { seq: number; at: number; body: string; hash: string };
        const numbers = new DataView(new ArrayBuffer(12));
        numbers.setUint32(0, entry.seq);
        numbers.setBigUint64(4, BigInt(entry.at));
        const head = seq === 1 ? utf8(this.verdict.session) : new Uint8Array();
        const link = await sha(await new Blob([before, head, numbers.buffer, utf8(entry.body)]).arrayBuffer());
        if (entry.seq !== seq || hex(link) !== entry.hash) {
          this.find(`The timeline was changed: entry ${seq} was changed after it was stored.`);
          return;
        }
        before = link;
        this.hashes.push(entry.hash);
        const event = JSON.parse(entry.body) as Record<string, unknown> & { type: string };
        if (event.type === 'recorded') this.segments.push({ ...(event as unknown as Segment), at: entry.at });
        if (this.stored !== null && !AFTER.includes(event.type))
          this.find(`The timeline was changed: entry ${seq} was added after the transcript was stored.`);
        this.checkEvidenceEvent(event);
      } catch {
        this.find(`The timeline was changed: line ${seq} of it cannot be read.`);
        return;
      }
    }
    this.verdict.entries = this.hashes.length;
    this.verdict.head = this.hashes.at(-1) ?? '';
    if (!this.hashes.length) this.find('The timeline was changed: it is empty.');
    else if (this.stored === null)
      this.find('The timeline was changed: the entry that says what was stored is missing.');
  }

  /** The stored files that an entry names. */
  private checkEvidenceEvent(event: Record<string, unknown> & { type: string }) {
    const names = (name: string, sha256: unknown) => {
      const hashes = this.named.get(name) ?? [];
      if (sha256) hashes.push(sha256 as string);
      this.named.set(name, hashes);
    };
    switch (event.type) {
      case 'system_info_read':
        return names(`system/${event.number}.json`, event.sha256);
      case 'screenshot_taken':
        return names(`screenshots/${event.number}.png`, event.sha256);
      case 'file_posted':
        return names(`files/${event.number}`, event.sha256);
      case 'shell_started':
      case 'shell_ended':
        return names(`shells/${event.number}.cast`, event.sha256);
      case 'stored':
        this.stored = String(event.transcript_sha256);
        if (event.recording_bytes === null || event.recording_bytes === undefined) return;
        names('video.webm', event.recording_sha256);
        names('pointer.bin', event.pointer_sha256);
        return names('video-with-pointer.webm', null);
      case 'created': {
        const incident = event.incident as { number: string; customer: string; subject: string };
        const of = event.organisation ? ` of ${event.organisation as string}` : '';
        const what = `${incident.number} for ${incident.customer} (${incident.subject})`;
        this.verdict.about = plain(`session ${this.verdict.session}${of}: ${what}`);
      }
    }
  }

  /** The pictures, segment by segment, compared with the hashes in the timeline. */
  private async video() {
    if (!this.segments.length) return;
    const video = this.all.find((f) => f.name === 'video.webm');
    if (!video) return this.find('video.webm is missing.');
    const found = await compare(video.content, this.segments, sum);
    for (const n of found.wrong) {
      const until = new Date(this.segments[n - 1]!.at).toISOString().slice(0, 19).replace('T', ' ');
      this.find(`The video was changed in its segment ${n}, recorded until ${until} UTC.`);
    }
    if (found.more) this.find('video.webm was changed after it was stored.');
  }

  /** Compares the stored files with what the timeline says of them, in both directions. */
  private beside() {
    const words = this.sums.get('transcript.txt');
    if (words === undefined) this.find('transcript.txt is missing.');
    else if (this.stored !== null && words !== this.stored)
      this.note(
        'transcript.txt is not the text that was stored: another version of the server has worded it. ' +
          'deskside-verify compares it with the timeline.'
      );
    for (const [name, hashes] of this.named) {
      const sum = this.sums.get(name);
      if (sum === undefined && hashes.length) this.find(`${name} is missing.`);
      else if (sum !== undefined && !hashes.length)
        this.note(`The timeline has no hash of ${name}: only the bundle's signature covers it.`);
      else if (hashes.some((hash) => hash !== sum)) this.find(`${name} was changed after it was stored.`);
    }
    for (const name of this.sums.keys())
      if (BESIDE.test(name) && !this.named.has(name)) this.find(`${name} was added.`);
  }
}
