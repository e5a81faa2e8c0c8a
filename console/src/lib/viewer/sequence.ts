// What an AV1 stream says of itself: its sequence header, which every keyframe carries (AV1 specification, 5.3 and 5.5).

import type { PictureFormat } from '$lib/api/types/PictureFormat';

const SEQUENCE_HEADER = 1;
/** Profile 1 has a value of each kind for each pixel. */
const HIGH = 1;

/** How a keyframe and what follows it are coded; null where it does not say. */
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
