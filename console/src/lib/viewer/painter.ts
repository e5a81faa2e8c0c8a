// Paints decoded pictures onto a canvas: only what changed, because without a GPU a whole screen takes 10 ms.

export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Above this share of the screen one drawImage is quicker than copying regions. */
const MOST_COPIED = 0.5;

export class Painter {
  private context: CanvasRenderingContext2D;
  private planes = new Uint8Array(0);
  private pixels = new Uint8ClampedArray(0);

  constructor(private canvas: HTMLCanvasElement) {
    this.context = canvas.getContext('2d', { alpha: false, desynchronized: true })!;
  }

  /** Resizes the canvas to the picture; returns whether it changed. */
  private resize(width: number, height: number): boolean {
    if (this.canvas.width === width && this.canvas.height === height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }

  /** Paints pixels at their position. */
  put(width: number, height: number, parts: (Region & { pixels: Uint8ClampedArray<ArrayBuffer> })[]) {
    this.resize(width, height);
    for (const { x, y, width, pixels } of parts) this.context.putImageData(new ImageData(pixels, width), x, y);
  }

  /** Paints the regions of the frame; all of it without regions or after a resize. */
  async paint(frame: VideoFrame, regions: Region[]): Promise<void> {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.resize(width, height)) regions = [];
    const area = regions.reduce((sum, r) => sum + r.width * r.height, 0);
    // The planes of GBR are the pixels themselves; other formats are left to the browser.
    if (regions.length === 0 || frame.format !== 'I444' || area > MOST_COPIED * width * height) {
      this.context.drawImage(frame, 0, 0);
      return;
    }
    for (const region of regions) await this.copy(frame, region);
  }

  private async copy(frame: VideoFrame, region: Region) {
    const count = region.width * region.height;
    if (this.planes.length < 3 * count) {
      this.planes = new Uint8Array(3 * count);
      this.pixels = new Uint8ClampedArray(4 * count);
    }
    const plane = (index: number) => ({ offset: index * count, stride: region.width });
    await frame.copyTo(this.planes.subarray(0, 3 * count), { rect: region, layout: [plane(0), plane(1), plane(2)] });
    interleave(this.planes, new Uint32Array(this.pixels.buffer, 0, count));
    const image = new ImageData(this.pixels.subarray(0, 4 * count), region.width, region.height);
    this.context.putImageData(image, region.x, region.y);
  }
}

/** Planes of green, blue and red, one after another, to opaque RGBA pixels (little endian). */
export function interleave(planes: Uint8Array, pixels: Uint32Array) {
  const count = pixels.length;
  for (let i = 0, blue = count, red = 2 * count; i < count; i++, blue++, red++) {
    pixels[i] = 0xff000000 | (planes[blue]! << 16) | (planes[i]! << 8) | planes[red]!;
  }
}
