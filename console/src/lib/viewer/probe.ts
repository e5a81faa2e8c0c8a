// Which pictures this browser decodes correctly: tested with a picture, because codec strings do not tell.

import type { PictureFormat } from './sequence';
import { configuration, type DecoderChoice } from './engine';
import { WasmEngine } from './wasm_engine';
import { interleave } from './painter';

/** A format that a customer's side codes, and the decoder for it here. */
export interface DecodingOption {
  format: PictureFormat;
  choice: DecoderChoice;
}

/** Codec strings for the same stream: Firefox accepts only the second, and decodes it correctly. */
const GBR = ['av01.1.08M.08', 'av01.0.08M.08'];
/** What a customer's browser codes, and every browser with AV1 shows. */
const YUV420 = 'av01.0.08M.08';
const WASM: DecoderChoice = { is: 'wasm' };
const PATIENCE = 3_000;

/** A lossless AV1 keyframe of 64×64 pixels: see crates/aom/tests/it/probe.rs. */
// prettier-ignore
const PICTURE = '12000a0c20000002afff80308086801032990314100000d98a3eb73b33629b3fb2b002637f48a9a987cf9299ca4dcd10dbdf1854dee8db6c29de686f4d1ae01009cba6a69195cd0fc80a79c318afdba47b6393530a3d65cc97a49cbb47e37da1e42a53bbdce5f0c7c8203ec9d034a9593519ff6bc2cd5d0b61397c45110a8254b0b1f024c865d6d70cfac7aee0d4f1a73370cd6709976ba896168b40ddf676d20ed93ab3b54e9d99cf568e041e62607be8e238f3565c18fa1b5041f6ff9aec350ca2d96d1f374e8f41106099599ef391da80aeadaf759cb65effbf34d3f5d011d4e6119bb0f90fd5b1275296b46fe7296f44461d294a2bc4aeaa2fcbcba02a3041d287b8999b413c9f1be40e06b47a161cbbec8d07e1f8cb5eb772786aca4cc3edd7705ae97c48696aaa753b2c1981762dd2bc49d96d91526f2dab3cd7204c28e42c635b210ae3523ecf0c1c31ee5d1ee0be83d43523b60e5092fe76243fc966fb17796c7ba458d2e8a0fd6848e2e384fb2e32ceca0e5533dcf2bca328ddcb3be18221a47f4bca08ffe746375be3c070f10a90b229240f2aeab1c638278a48fdcc758a7f2e118f9a5f9d4b90';

/** Sixteen squares: the colour of each, as red, green, blue. */
function colour(x: number, y: number): [number, number, number] {
  const [column, row] = [x >> 4, y >> 4];
  return [((column + row) % 4) * 85, row * 85, column * 85];
}

/**
 * How this browser can show the screen, best first. The browser's own decoder is the quickest; if one pixel of the test
 * picture is wrong, or there is none, the decoder of the page shows the same picture.
 */
export async function probe(): Promise<DecodingOption[]> {
  const browser = await exactCodec();
  const exact: DecoderChoice[] = browser ? [{ is: 'browser', codec: browser }] : [];
  // Its 1 MB is not loaded if the browser needs no other decoder.
  if (browser ? typeof WebAssembly !== 'undefined' : await wasmExact()) exact.push(WASM);
  const blurred: DecoderChoice[] = (await decodes(YUV420)) ? [{ is: 'browser', codec: YUV420 }] : [];
  if (exact.includes(WASM)) blurred.push(WASM);
  const options = (format: PictureFormat) => (choice: DecoderChoice) => ({ format, choice });
  return [...exact.map(options('gbr')), ...blurred.map(options('yuv420'))];
}

/** The best option that has not failed, for what the customer's side codes. */
export function bestOption(options: DecodingOption[], failed: DecodingOption[], coded: PictureFormat) {
  return options.find((o) => !failed.includes(o) && o.format === coded) ?? null;
}

async function exactCodec(): Promise<string | null> {
  if (typeof VideoDecoder === 'undefined') return null;
  for (const codec of GBR) if (await exact(codec)) return codec;
  return null;
}

async function decodes(codec: string): Promise<boolean> {
  if (typeof VideoDecoder === 'undefined') return false;
  const said = await VideoDecoder.isConfigSupported(configuration(codec)).catch(() => null);
  return said?.supported === true;
}

const testPicture = () => Uint8Array.from(PICTURE.match(/../g)!, (digits) => parseInt(digits, 16));

/** Fails after a while. */
const late = <T>() =>
  new Promise<T>((_, reject) => setTimeout(() => reject(new Error('no picture in time')), PATIENCE));

async function wasmExact(): Promise<boolean> {
  let engine: WasmEngine | undefined;
  try {
    const pixels = await Promise.race([
      late<Uint8ClampedArray>(),
      new Promise<Uint8ClampedArray>((resolve, reject) => {
        engine = new WasmEngine({
          decoded: (picture) =>
            void picture.paint({ put: (_w, _h, parts) => resolve(parts[0]!.pixels), paint: async () => {} }),
          failed: () => reject(new Error('not decoded'))
        });
        engine.decode({ seq: 1, regions: [], data: testPicture() });
      })
    ]);
    return matches(pixels);
  } catch {
    return false;
  } finally {
    engine?.close();
  }
}

async function exact(codec: string): Promise<boolean> {
  let decoder: VideoDecoder | undefined;
  try {
    const frame = await new Promise<VideoFrame>((resolve, reject) => {
      decoder = new VideoDecoder({ output: resolve, error: reject });
      decoder.configure(configuration(codec));
      decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data: testPicture() }));
      void late().catch(reject);
    });
    const right = matches(drawn(frame)) && (frame.format !== 'I444' || matches(await copied(frame)));
    frame.close();
    return right;
  } catch {
    return false;
  } finally {
    if (decoder?.state === 'configured') decoder.close();
  }
}

function drawn(frame: VideoFrame): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(64, 64);
  const context = canvas.getContext('2d')!;
  context.drawImage(frame, 0, 0);
  return context.getImageData(0, 0, 64, 64).data;
}

/** In the way in which the painter copies regions. */
async function copied(frame: VideoFrame): Promise<Uint8ClampedArray> {
  const planes = new Uint8Array(3 * 64 * 64);
  const layout = [0, 1, 2].map((plane) => ({ offset: plane * 64 * 64, stride: 64 }));
  await frame.copyTo(planes, { rect: { x: 0, y: 0, width: 64, height: 64 }, layout });
  const pixels = new Uint32Array(64 * 64);
  interleave(planes, pixels);
  return new Uint8ClampedArray(pixels.buffer);
}

function matches(rgba: Uint8ClampedArray): boolean {
  for (let y = 0; y < 64; y++) {
    for (let x = 0; x < 64; x++) {
      const at = 4 * (y * 64 + x);
      if (colour(x, y).some((value, i) => rgba[at + i] !== value)) return false;
    }
  }
  return true;
}
