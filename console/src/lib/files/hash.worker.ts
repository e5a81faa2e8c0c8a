// The SHA-256 of a file, beside the page: whoever types does not wait for it.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

onmessage = async ({ data }: MessageEvent<Blob>) => {
  try {
    const hash = sha256.create();
    const reader = data.stream().getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      hash.update(value);
    }
    postMessage({ sha256: bytesToHex(hash.digest()) });
  } catch (error) {
    postMessage({ problem: String(error) });
  }
};
