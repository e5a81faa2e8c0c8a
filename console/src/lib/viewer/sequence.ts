// The AV1 sequence header, which every keyframe carries (AV1 specification, 5.3 and 5.5).

/** The coding of pictures: 4:4:4 of the support program, exact; 4:2:0 of customers' browsers. */
export type PictureFormat = 'gbr' | 'yuv420';

const SEQUENCE_HEADER = 1;
/** Whether it is profile 1, with all three values for each pixel. */
const HIGH = 1;

/** The coding of a keyframe and the pictures after it; null if unknown. */
export function formatOf(data: Uint8Array): PictureFormat | null {
  let at = 0;
  while (at < data.length) {
    const head = data[at]!;
    const type = (head >> 3) & 15;
    at += head & 4 ? 2 : 1;
    let size = data.length - at;
    if (head & 2) {
      size = 0;
      for (let shift = 0; shift < 56; shift += 7) {
        const byte = data[at++];
        if (byte === undefined) return null;
        size += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
    }
    if (type === SEQUENCE_HEADER) {
      const first = data[at];
      return size === 0 || first === undefined ? null : first >> 5 === HIGH ? 'gbr' : 'yuv420';
    }
    at += size;
  }
  return null;
}
