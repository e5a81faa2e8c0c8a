// Pictures on clipboards: the page's, and that of the customer's X display.

import { expect, type Page } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Desktop } from './processes';

/** Copies a picture of 40 × 30 pixels in this colour, with a green corner, to the page's clipboard as PNG. */
async function copy(page: Page, colour: string) {
  await page.evaluate(async (colour) => {
    const canvas = new OffscreenCanvas(40, 30);
    const context = canvas.getContext('2d')!;
    context.fillStyle = colour;
    context.fillRect(0, 0, 40, 30);
    context.fillStyle = '#00ff00';
    context.fillRect(0, 0, 5, 5);
    await navigator.clipboard.write([
      new ClipboardItem({ 'image/png': await canvas.convertToBlob({ type: 'image/png' }) })
    ]);
  }, colour);
}

/** Size, corner and middle of the picture in the page's clipboard. */
const pasted = (page: Page) =>
  page.evaluate(async () => {
    const [item] = await navigator.clipboard.read();
    const bitmap = await createImageBitmap(await item!.getType('image/png'));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const at = (x: number, y: number) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3).join();
    return `${bitmap.width} × ${bitmap.height}: ${at(2, 2)} and ${at(20, 15)}`;
  });

/** The same of the picture in the clipboard of the customer's display. */
function held(desktop: Desktop): string {
  const png = execFileSync('xclip', ['-selection', 'clipboard', '-t', 'image/png', '-o'], {
    env: desktop.env,
    maxBuffer: 1 << 26
  });
  const rgb = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-f', 'png_pipe', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
    { input: png }
  );
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const at = (x: number, y: number) => [...rgb.subarray(3 * (y * width + x)).subarray(0, 3)].join();
  return `${width} × ${height}: ${at(2, 2)} and ${at(20, 15)}`;
}

/** Sends a picture to the customer and fetches another, and compares their pixels. */
export async function exchangePictures(page: Page, desktop: Desktop, home: string) {
  await copy(page, '#c02040');
  await page.getByRole('button', { name: 'Send clipboard' }).click();
  await expect(page.getByText('Your clipboard is on the customer’s computer now.')).toBeVisible();
  await expect.poll(() => held(desktop)).toBe('40 × 30: 0,255,0 and 192,32,64');
  const file = join(home, 'copied.png');
  writeFileSync(
    file,
    execFileSync('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'color=0x2040c0:s=50x20,format=rgb24',
      '-frames:v',
      '1',
      '-c:v',
      'png',
      '-f',
      'image2pipe',
      '-'
    ])
  );
  execFileSync('sh', ['-c', `xclip -selection clipboard -t image/png -i '${file}' >/dev/null 2>&1`], {
    env: desktop.env
  });
  await expect(async () => {
    await page.getByRole('button', { name: 'Fetch clipboard' }).click();
    expect(await pasted(page)).toBe('50 × 20: 32,64,192 and 32,64,192');
  }).toPass({ timeout: 20_000 });
}
