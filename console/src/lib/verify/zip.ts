// The files of an uncompressed ZIP archive (APPNOTE.TXT 4.3), from its central directory, without reading all of it.

export interface Stored {
  name: string;
  content: Blob;
}

/** The files; throws if the archive is invalid. */
export async function files(archive: Blob): Promise<Stored[]> {
  const tail = await view(archive, Math.max(0, archive.size - 66_000), archive.size);
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error('it is no archive, or its end is missing');
  let [count, size, start] = [
    tail.getUint16(end + 10, true),
    tail.getUint32(end + 12, true),
    tail.getUint32(end + 16, true)
  ];
  if (end >= 20 && tail.getUint32(end - 20, true) === 0x07064b50) {
    // ZIP64: the real numbers are in a separate record.
    const at = Number(tail.getBigUint64(end - 12, true));
    const record = await view(archive, at, at + 56);
    [count, size, start] = [24, 40, 48].map((n) => Number(record.getBigUint64(n, true))) as [number, number, number];
    count = Number(record.getBigUint64(32, true));
  }
  const list = await view(archive, start, start + size);
  const found: Stored[] = [];
  for (let at = 0; found.length < count;) {
    if (at + 46 > list.byteLength || list.getUint32(at, true) !== 0x02014b50)
      throw new Error('its list of files is damaged');
    const [method, lengths] = [list.getUint16(at + 10, true), [28, 30, 32].map((n) => list.getUint16(at + n, true))];
    const [nameLength, extra, comment] = lengths as [number, number, number];
    let [bytes, offset] = [list.getUint32(at + 24, true), list.getUint32(at + 42, true)];
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, list.byteOffset + at + 46, nameLength));
    for (let n = at + 46 + nameLength; n + 4 <= at + 46 + nameLength + extra; n += 4 + list.getUint16(n + 2, true)) {
      if (list.getUint16(n, true) !== 1) continue;
      let value = n + 4;
      const next = () => Number(list.getBigUint64((value += 8) - 8, true));
      if (bytes === 0xffffffff) bytes = next();
      if (list.getUint32(at + 20, true) === 0xffffffff) next();
      if (offset === 0xffffffff) offset = next();
    }
    if (method !== 0) throw new Error(`${name} is compressed`);
    const head = await view(archive, offset, offset + 30);
    if (head.getUint32(0, true) !== 0x04034b50) throw new Error(`${name} is damaged`);
    const begin = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    if (begin + bytes > archive.size) throw new Error(`${name} is cut off`);
    found.push({ name, content: archive.slice(begin, begin + bytes) });
    at += 46 + nameLength + extra + comment;
  }
  return found;
}

async function view(archive: Blob, from: number, to: number): Promise<DataView> {
  if (from < 0 || to > archive.size) throw new Error('it is cut off');
  return new DataView(await archive.slice(from, to).arrayBuffer());
}
