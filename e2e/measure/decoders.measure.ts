// A measurement, not a test: the decoder that pages include, beside the browser's own. They alternate in one run.
// DESKSIDE_BIN=../target/release npx playwright test -c measure.config.ts decoders

import { test } from '@playwright/test';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { seed } from '../lib/people';
import { Desktop, Server } from '../lib/processes';
import { controlled, spread, typing } from '../lib/typing';

const TURNS = 3;

test('the decoder of the page beside the browser’s', async ({ browser, playwright }) => {
  test.setTimeout(600_000);
  const server = await Server.start();
  const desktop = await Desktop.start('1920x1080');
  const request = await playwright.request.newContext();
  const { incident } = await seed(server, request);
  const typed: Record<string, number[]> = { browser: [], page: [] };
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    const who = turn % 2 ? 'page' : 'browser';
    const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
    if (who === 'page') await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'VideoDecoder'));
    const term = await controlled(page, server, desktop, request, incident);
    await page.getByRole('button', { name: 'Connection' }).click();
    const panel = page.getByRole('region', { name: 'Connection' });
    const stages = async () =>
      (await Promise.all(['Decode', 'Draw'].map((name) => panel.getByRole('row', { name }).innerText())))
        .join(', ')
        .replace(/\s+/g, ' ');
    typed[who]!.push(...(await typing(page, 60)));
    console.log(`${who}, typing: ${await stages()}`);
    const motion = desktop.open('xterm', [
      '-geometry',
      '120x40+300+20',
      '-e',
      'sh',
      '-c',
      'while :; do ls -l --color=always /usr/share/doc; sleep 0.03; done'
    ]);
    // The duration of the measurement.
    await page.waitForTimeout(10_000);
    console.log(`${who}, a terminal that scrolls: ${await panel.getByText(/a second/).innerText()}; ${await stages()}`);
    motion.kill();
    term.kill();
    await page.getByRole('button', { name: 'End session' }).click();
    await page.getByRole('button', { name: /^Close session/ }).click();
    await page.context().close();
    spawnSync('pkill', ['-f', join(server.data, 'deskside-support')]);
  }
  for (const [who, all] of Object.entries(typed)) console.log(`${who}, key to canvas: ${spread(all)}`);
  await desktop.stop();
  await server.stop();
});
