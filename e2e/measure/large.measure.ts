// A trial that takes too long for a test: a file above 4 GB and a folder with thousands of small files, in each
// direction.
// npx playwright test -c measure.config.ts large

import { chromium, expect, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answer, CUSTOMER, seed, generate, runProgram, signIn } from '../lib/people';
import { Desktop, Server } from '../lib/processes';

/** Just above the range of 32 bits. */
const SIZE = Number(process.env.SIZE ?? 2 ** 32 + 5_000_001);
const SMALL = Number(process.env.SMALL ?? 3_000);

const sum = async (path: string) => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
};
/** The peak memory of a process, in MB. */
const peak = (pid: number) =>
  Math.round(Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)![1]) / 1000);

test('a file beyond 4 GB and thousands of small ones', async ({ playwright }) => {
  test.setTimeout(1_500_000);
  const server = await Server.start([]);
  const desktop = await Desktop.start();
  const home = mkdtempSync(join(tmpdir(), 'deskside-large-'));
  const request = await playwright.request.newContext();
  const { incident } = await seed(server, request);
  // A browser with a profile of its own: private windows keep files in memory.
  const context = await chromium.launchPersistentContext(join(home, 'profile'), {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
    acceptDownloads: true
  });
  const page = await context.newPage();
  // Mostly holes, with recognisable bytes in the middle and at the end.
  const mine = join(home, 'mine.bin');
  writeFileSync(mine, 'begins');
  truncateSync(mine, SIZE - 4);
  const file = openSync(mine, 'r+');
  writeSync(file, 'middle', Math.floor(SIZE / 2));
  writeSync(file, 'ends', SIZE - 4);
  closeSync(file);
  const small = join(home, 'small');
  mkdirSync(small);
  for (let n = 0; n < SMALL; n++) writeFileSync(join(small, `${n}.txt`), `file ${n}`);

  await signIn(page, server);
  const { link } = await generate(page, server, incident);
  const theirs = join(home, 'theirs');
  mkdirSync(theirs);
  const program = await runProgram(server, desktop, request, { link: link.split('#')[1]! }, { HOME: theirs });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(desktop, 'files');
  await expect(page.getByLabel("Folder on the customer's computer")).toHaveValue(theirs);
  const timed = async (what: string, act: () => Promise<unknown>) => {
    const began = Date.now();
    await act();
    console.log(
      `${what}: ${((Date.now() - began) / 1_000).toFixed(1)} s; most memory: program ${peak(program.pid!)} MB, server ${peak(server.pid)} MB`
    );
  };
  const transfers = page.getByLabel('Transfers').getByRole('listitem');
  await timed(`${SIZE} bytes to the customer`, async () => {
    await page.getByLabel('Files to send').setInputFiles(mine);
    await expect(transfers.filter({ hasText: 'done:' })).toHaveCount(1, { timeout: 600_000 });
  });
  const expected = await sum(mine);
  expect(await sum(join(theirs, 'mine.bin'))).toBe(expected);
  await timed('and back', async () => {
    const download = page.waitForEvent('download', { timeout: 600_000 });
    await page.getByLabel('Choose mine.bin').check();
    await page.getByRole('button', { name: 'Download' }).click();
    const saved = await download;
    const path = await saved.path();
    expect(statSync(path).size).toBe(SIZE);
    expect(await sum(path)).toBe(expected);
    await page.getByLabel('Choose mine.bin').uncheck();
  });
  rmSync(join(theirs, 'mine.bin'));
  await timed(`${SMALL} small files to the customer`, async () => {
    const all = readdirSync(small).map((name) => join(small, name));
    for (let n = 0; n < all.length; n += 500) {
      await page.getByLabel('Files to send').setInputFiles(all.slice(n, n + 500));
    }
    await expect(page.getByText(`${SMALL + 2} done`)).toBeVisible({ timeout: 900_000 });
  });
  for (let n = 0; n < SMALL; n++) expect(readFileSync(join(theirs, `${n}.txt`), 'utf8')).toBe(`file ${n}`);
  await timed('and back as a folder', async () => {
    const download = page.waitForEvent('download', { timeout: 600_000 });
    await page.getByLabel("Folder on the customer's computer").fill(home);
    await page.getByLabel("Folder on the customer's computer").press('Enter');
    await page.getByLabel('Choose small').check();
    await page.getByRole('button', { name: 'Download' }).click();
    const archive = await (await download).path();
    const list = execFileSync('python3', [
      '-c',
      'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);print(len(z.namelist()), z.testzip(), z.read("small/7.txt").decode())',
      archive
    ])
      .toString()
      .trim();
    expect(list).toBe(`${SMALL + 1} None file 7`);
  });
  await context.close();
  await desktop.stop();
  await server.stop();
  rmSync(home, { recursive: true });
});
