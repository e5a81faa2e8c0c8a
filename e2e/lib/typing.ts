// The delay of typing: for measurements, never for a test.

import { type APIRequestContext, expect, type Page } from '@playwright/test';
import type { ChildProcess } from 'node:child_process';
import { answer, CUSTOMER, generate, runProgram, signIn } from './people';
import type { Desktop, Server } from './processes';

/** Opens a controlled screen with a terminal at the place where `typing` measures. */
export async function controlled(
  page: Page,
  server: Server,
  desktop: Desktop,
  request: APIRequestContext,
  incident: number,
  env: Record<string, string> = {}
): Promise<ChildProcess> {
  await signIn(page, server);
  const { link } = await generate(page, server, incident);
  await runProgram(server, desktop, request, { link: link.split('#')[1]! }, env);
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  const terminal = desktop.open('xterm', ['-T', 'typing-here', '-geometry', '60x10+20+440', '-e', 'cat']);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  desktop.xdotool('windowactivate', '--sync', await desktop.window('^typing-here$'));
  // The picture must be at rest: refinement would be measured, too.
  await page.waitForTimeout(2_000);
  return terminal;
}

/** Milliseconds from a key press in the page to a changed picture in its canvas, many times. */
export async function typing(page: Page, times: number): Promise<number[]> {
  return page.evaluate(async (count) => {
    const canvas = document.querySelector<HTMLCanvasElement>('canvas.picture')!;
    const keyboard = document.querySelector<HTMLTextAreaElement>('textarea.keyboard')!;
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    const look = () =>
      context.getImageData(20, 440, 500, 150).data.reduce((sum, v, n) => (sum * 31 + v * (n & 255)) | 0, 0);
    keyboard.focus();
    const all: number[] = [];
    for (let n = 0; n < count; n++) {
      const before = look();
      const key = 'abcdefgh'[n % 8]!;
      const began = performance.now();
      const options = { key, code: `Key${key.toUpperCase()}`, bubbles: true, cancelable: true };
      keyboard.dispatchEvent(new KeyboardEvent('keydown', options));
      keyboard.dispatchEvent(new KeyboardEvent('keyup', options));
      await new Promise<void>((done) => {
        const wait = () =>
          look() !== before || performance.now() - began > 2_000 ? done() : requestAnimationFrame(wait);
        wait();
      });
      all.push(performance.now() - began);
      // The interval between keys is a part of the measurement.
      await new Promise((r) => setTimeout(r, 120));
    }
    return all;
  }, times);
}
/** The median and the 95th percentile as text. */
export const spread = (list: number[]) => {
  const sorted = [...list].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]!.toFixed(0)} / ${sorted[Math.floor(sorted.length * 0.95)]!.toFixed(0)} ms (p50 / p95 of ${sorted.length})`;
};
