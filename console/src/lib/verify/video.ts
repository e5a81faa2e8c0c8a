// Compares the pictures of a recorded video with the timeline, to find where it was changed.

/** The data of a segment in the timeline. */
export interface Segment {
  at: number;
  pictures: number;
  sha256: string;
}

/** The most bytes of the file that are read at once. */
const PART = 4 * 1024 * 1024;
/** The longest picture. */
const LONGEST = 64 * 1024 * 1024;

/** Reads a file sequentially. */
class Reader {
  private part = new Uint8Array();
  private from = 0;
  at = 0;
  constructor(private readonly file: Blob) {}

  async bytes(count: number): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.at + count > this.file.size) return null;
    if (this.at < this.from || this.at + count > this.from + this.part.length) {
      this.part = new Uint8Array(await this.file.slice(this.at, this.at + Math.max(PART, count)).arrayBuffer());
      this.from = this.at;
    }
    const start = this.at - this.from;
    this.at += count;
    return this.part.slice(start, start + count);
  }
}

/** An element's id and size (RFC 8794); null at the end, and for an unknown size. */
async function element(reader: Reader): Promise<{ id: number; size: number } | null> {
  const first = await reader.bytes(1);
  if (!first) return null;
  const idLength = Math.clz32(first[0]!) - 23;
  const idRest = idLength > 4 ? null : await reader.bytes(idLength - 1);
  const sizeFirst = idRest && (await reader.bytes(1));
  const sizeLength = sizeFirst ? Math.clz32(sizeFirst[0]!) - 23 : 9;
  const sizeRest = sizeLength > 8 ? null : await reader.bytes(sizeLength - 1);
  if (!idRest || !sizeFirst || !sizeRest) return null;
  const id = [first[0]!, ...idRest].reduce((n, b) => n * 256 + b, 0);
  const size = [sizeFirst[0]! & ((1 << (8 - sizeLength)) - 1), ...sizeRest].reduce((n, b) => n * 256 + b, 0);
  return size >= 2 ** (7 * sizeLength) - 1 ? null : { id, size };
}

/** The pictures in order: the blocks of the first track (RFC 9559). */
export async function* pictures(video: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = new Reader(video);
  for (;;) {
    const found = await element(reader);
    if (!found) return;
    const { id, size } = found;
    // Segment, cluster, block group: their children are read in place.
    if (id === 0x18538067 || id === 0x1f43b675 || id === 0xa0) continue;
    if ((id === 0xa3 || id === 0xa1) && size >= 4 && size <= LONGEST) {
      const block = await reader.bytes(size);
      if (!block) return;
      if (block[0] === 0x81) yield block.subarray(4);
    } else {
      reader.at += size;
    }
  }
}

/** Where the video differs from what was recorded: segment numbers from 1, and whether there are additional pictures. */
export async function compare(
  video: Blob,
  segments: Segment[],
  sum: (content: Blob) => Promise<string>
): Promise<{ wrong: number[]; more: boolean }> {
  const all = pictures(video);
  const wrong: number[] = [];
  for (const [n, segment] of segments.entries()) {
    const gathered: BlobPart[] = [];
    for (let count = 0; count < segment.pictures; count++) {
      const { value, done } = await all.next();
      if (done) break;
      const length = new DataView(new ArrayBuffer(4));
      length.setUint32(0, value.length);
      gathered.push(length.buffer, value);
    }
    if (gathered.length !== 2 * segment.pictures || (await sum(new Blob(gathered))) !== segment.sha256)
      wrong.push(n + 1);
  }
  return { wrong, more: !(await all.next()).done };
}
