// The SHA-256 of a file in a worker. The browser's own function takes no chunks, and is missing on plain HTTP.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

const PIECE = 4 * 1024 * 1024;

onmessage = async ({ data }: MessageEvent<Blob>) => {
  try {
    const sum = sha256.create();
    for (let at = 0; at < data.size; at += PIECE)
      sum.update(new Uint8Array(await data.slice(at, at + PIECE).arrayBuffer()));
    postMessage({ sum: bytesToHex(sum.digest()) });
  } catch (error) {
    postMessage({ problem: String(error) });
  }
};
