// The block sum of a file, taken piece by piece: the SHA-256 of its blocks' SHA-256s, as docs/protocol.md says. Browsers
// have no SHA-256 that takes pieces, but a quick one for a block.

/** Said when a browser has kept less than it was given. */
export const TOO_LARGE =
  'This browser window cannot keep a file of this size. An ordinary window (not a private one) can.';

export const BLOCK = 4 * 1024 * 1024;

const digest = (bytes: Uint8Array<ArrayBuffer>) => crypto.subtle.digest('SHA-256', bytes);

export class BlockSum {
  private block = new Uint8Array(BLOCK);
  private used = 0;
  private sums: Promise<ArrayBuffer>[] = [];

  /** Each block is handed to `taken` when it is full, and the last one at the end. */
  constructor(private taken: (block: Uint8Array<ArrayBuffer>) => void = () => undefined) {}

  update(bytes: Uint8Array) {
    for (let at = 0; at < bytes.length;) {
      const now = Math.min(bytes.length - at, BLOCK - this.used);
      this.block.set(bytes.subarray(at, at + now), this.used);
      this.used += now;
      at += now;
      if (this.used === BLOCK) this.end();
    }
  }

  private end() {
    const block = this.block.subarray(0, this.used);
    // The digest takes a copy before it returns.
    this.sums.push(digest(block));
    this.taken(block);
    this.used = 0;
  }

  /** In hexadecimal. */
  async sum(): Promise<string> {
    if (this.used) this.end();
    const all = new Uint8Array(32 * this.sums.length);
    (await Promise.all(this.sums)).forEach((one, n) => all.set(new Uint8Array(one), 32 * n));
    return [...new Uint8Array(await digest(all))].map((b) => b.toString(16).padStart(2, '0')).join('');
  }
}
