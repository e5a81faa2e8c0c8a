// The page's side of the decoder that pages include.

import type { Engine, EngineEvents, Picture } from './engine';
import source from './decoder.wasm?url';
import type { Answer, Order } from './wasm_engine.worker';

/** Loaded and compiled once for a page, and again after a failure. */
let compiled: Promise<WebAssembly.Module> | null = null;
async function compile(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await (await fetch(source)).arrayBuffer());
  } catch (error) {
    compiled = null;
    throw error;
  }
}

export class WasmEngine implements Engine {
  private worker = new Worker(new URL('./wasm_engine.worker.ts', import.meta.url), { type: 'module' });
  private over = false;

  constructor(events: EngineEvents) {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (this.over) return;
      if (!data.picture) return events.failed();
      const { parts, ...about } = data.picture;
      events.decoded({ ...about, paint: (painter) => painter.put(about.width, about.height, parts), close: () => {} });
    };
    this.worker.onerror = () => this.over || events.failed();
    (compiled ??= compile()).then(
      (module) => this.worker.postMessage(module),
      () => this.over || events.failed()
    );
  }

  decode(picture: Pick<Picture, 'seq' | 'regions' | 'data'>) {
    // The bytes are a part of a larger buffer: the worker gets only these.
    const data = picture.data.slice();
    this.worker.postMessage({ seq: picture.seq, regions: picture.regions, data } satisfies Order, [data.buffer]);
  }

  close() {
    this.over = true;
    this.worker.terminate();
  }
}
