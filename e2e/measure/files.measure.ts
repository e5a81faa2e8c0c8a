// A measurement, not a test: the speed of files beside plain HTTPS through the same server, and the delay of typing
// meanwhile.
// DESKSIDE_BIN=../target/release npx playwright test -c measure.config.ts

import { type Download, expect, test } from '@playwright/test';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, seed } from '../lib/people';
import { certificate, Desktop, MEMORY, Server } from '../lib/processes';
import { controlled, spread, typing } from '../lib/typing';

const SIZE = Number(process.env.SIZE ?? 300_000_000);
const RUNS = 3;

/** The CPU seconds that the programs of this name have used. */
function used(name: string): number {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((d) => /^\d+$/.test(d))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')).startsWith(name)) {
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        ticks += Number(fields[11]) + Number(fields[12]);
      }
    } catch {
      // It has ended in the meantime.
    }
  }
  return ticks / 100;
}
const PROGRAMS = { browser: 'chromium', server: 'deskside-server', program: 'deskside-suppor' };

const middle = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
const rate = (ms: number) => `${Math.round(SIZE / ms / 1_000)} MB/s`;

for (const tls of [true, false])
  test(`files beside plain ${tls ? 'HTTPS' : 'HTTP'}`, async ({ browser, playwright }) => {
    test.setTimeout(500_000);
    const made = certificate();
    const server = await Server.start([], tls ? made : undefined);
    const desktop = await Desktop.start();
    const home = mkdtempSync(join(MEMORY, 'deskside-measure-'));
    const request = await playwright.request.newContext({ ignoreHTTPSErrors: true });
    const { incident } = await seed(server, request);
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const mine = join(home, 'mine.bin');
    writeFileSync(mine, randomBytes(SIZE));
    writeFileSync(join(home, 'theirs.bin'), randomBytes(SIZE));
    await controlled(page, server, desktop, request, incident, { HOME: home, SSL_CERT_FILE: made.certificate });
    const id = page.url().split('/').at(-1)!;
    const quiet = await typing(page, 120);
    await page.getByRole('tab', { name: 'Files' }).click();
    await page.getByRole('button', { name: 'Ask the customer' }).click();
    await answer(desktop, 'files', false);
    await page.getByLabel("Folder on the customer's computer").fill(home);
    await page.getByLabel("Folder on the customer's computer").press('Enter');
    await expect(page.getByRole('button', { name: 'theirs.bin' })).toBeVisible();
    const transfers = page.getByLabel('Transfers').getByRole('listitem');
    const times: Record<string, number[]> = {
      'plain upload': [],
      'file to the customer': [],
      'plain download': [],
      'plain, read by the page': [],
      'file from the customer': []
    };
    const timed = async (name: string, act: () => Promise<unknown>) => {
      const before = Object.values(PROGRAMS).map(used);
      const began = Date.now();
      await act();
      const took = Date.now() - began;
      times[name]!.push(took);
      const shares = Object.entries(PROGRAMS).map(
        ([who, program], i) => `${who} ${Math.round(((used(program) - before[i]!) / took) * 100_000)} %`
      );
      console.log(`${name}: ${took} ms, of a core: ${shares.join(', ')}`);
    };
    for (let run = 1; run <= RUNS; run++) {
      await timed('plain upload', async () => {
        const stored = page.waitForResponse((r) => r.url().includes('/posts?'), { timeout: 100_000 });
        await page.getByLabel('File for the conversation').setInputFiles(mine);
        expect((await stored).status()).toBe(201);
      });
      await timed('file to the customer', async () => {
        const placed = page.waitForResponse(
          (r) => r.url().includes('/files/bring/') && r.request().method() === 'POST',
          { timeout: 100_000 }
        );
        await page.getByLabel('Files to send').setInputFiles(mine);
        expect((await placed).status()).toBe(200);
      });
      const kept = (download: Promise<Download>) => download.then(async (file) => (await file.path(), file.delete()));
      await timed('plain download', async () => {
        const download = page.waitForEvent('download', { timeout: 100_000 });
        await page.evaluate(
          (href) => Object.assign(document.createElement('a'), { href, download: 'plain.bin' }).click(),
          `/api/sessions/${id}/posts/1`
        );
        await kept(download);
      });
      await timed('plain, read by the page', () =>
        page.evaluate(async (path) => {
          const reader = (await fetch(path)).body!.getReader();
          while (!(await reader.read()).done);
        }, `/api/sessions/${id}/posts/1`)
      );
      await page.getByLabel('Choose theirs.bin').check();
      await timed('file from the customer', async () => {
        const download = page.waitForEvent('download', { timeout: 100_000 });
        // Pressed in the same way as the plain one: moving the pointer to the button is part of neither.
        await page.getByRole('button', { name: 'Download' }).evaluate((button) => (button as HTMLElement).click());
        await kept(download);
      });
      await page.getByLabel('Choose theirs.bin').uncheck();
      await expect(transfers.filter({ hasText: 'done:' })).toHaveCount(2 * run, { timeout: 100_000 });
    }
    for (const [name, list] of Object.entries(times))
      console.log(`${tls ? 'HTTPS' : 'HTTP'} ${name}: ${list.map(rate).join(', ')}; middle ${rate(middle(list))}`);
    const share = (a: string, b: string) => `${Math.round((middle(times[b]!) / middle(times[a]!)) * 100)} %`;
    console.log(
      `to the customer: ${share('file to the customer', 'plain upload')} of plain, from the customer: ${share('file from the customer', 'plain download')} of plain`
    );

    // Typing while files are transferred in both directions, one after another.
    await page.getByLabel('Choose theirs.bin').check();
    for (let n = 0; n < 3; n++) {
      await page.getByRole('button', { name: 'Download' }).click();
      await page.getByLabel('Files to send').setInputFiles(mine);
    }
    await page.getByRole('tab', { name: 'Screen' }).click();
    const busy = await typing(page, 120);
    await page.getByRole('tab', { name: 'Files' }).click();
    const still = await page.evaluate(() => document.querySelectorAll('progress').length);
    console.log(`typing, quiet: ${spread(quiet)}; while files go both ways: ${spread(busy)}; ${still} still under way`);
    spawnSync('pkill', ['-f', join(server.data, 'deskside-support')]);
    await desktop.stop();
    await server.stop();
  });
