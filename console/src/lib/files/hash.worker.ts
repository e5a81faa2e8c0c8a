// The sum of a file, beside the page: whoever types does not wait for it.

import { BLOCK, BlockSum } from './sum';

onmessage = async ({ data }: MessageEvent<Blob>) => {
  try {
    const sum = new BlockSum();
    for (let at = 0; at < data.size; at += BLOCK)
      sum.update(new Uint8Array(await data.slice(at, at + BLOCK).arrayBuffer()));
    postMessage({ sum: await sum.sum() });
  } catch (error) {
    postMessage({ problem: String(error) });
  }
};
