// Files go on after cuts of either side, and a wrong end leaves nothing under a name.

import { expect, test } from '@playwright/test';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, furnish, generate, runProgram, signIn } from '../lib/people';
import { Desktop, freePort, MEMORY, Server, until } from '../lib/processes';
import { Proxy } from '../lib/proxy';

let server: Server;
let network: Proxy;
let desktop: Desktop;
let home: string;

test.beforeAll(async ({ playwright }) => {
  const port = await freePort();
  server = await Server.start(['--public-url', `http://localhost:${port}`, '--grace-seconds', '30']);
  network = await Proxy.start(port, () => server.port);
  desktop = await Desktop.start();
  home = mkdtempSync(join(MEMORY, 'deskside-home-'));
  server.url = `http://localhost:${port}`;
  const request = await playwright.request.newContext();
  await furnish(server, request);
  await request.dispose();
});
test.afterAll(async () => {
  await desktop?.stop();
  network?.stop();
  await server?.stop();
});
test.afterEach(async ({}, info) => {
  if (info.status !== info.expectedStatus) {
    desktop.screenshot(info.outputPath('desktop.png'));
    console.log(server.log.slice(-4_000));
  }
  network.rate = Infinity;
  spawnSync('pkill', ['-f', join(server.data, 'deskside-support')]);
});

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('a file in each direction survives cuts of both sides, a pause, and a cancelled one leaves nothing', async ({ page, request }, info) => {
  const theirs = randomBytes(24_000_000);
  const ours = randomBytes(24_000_000);
  writeFileSync(join(home, 'theirs.bin'), theirs);
  const mine = info.outputPath('ours.bin');
  writeFileSync(mine, ours);
  await signIn(page, server);
  const { link } = await generate(page, server, 1);
  await runProgram(server, desktop, request, { link: link.split('#')[1]! }, { HOME: home });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(desktop, 'files');
  await expect(page.getByRole('button', { name: 'theirs.bin' })).toBeVisible();
  const transfers = page.getByLabel('Transfers');
  const bar = (name: string) => page.getByLabel(`Progress of ${name}`);
  const value = (name: string) => bar(name).evaluate((p: HTMLProgressElement) => p.value).catch(() => 0);

  // To the customer: each side is cut in the middle, and a pause.
  network.rate = 3_000_000;
  await page.getByLabel('Files to send').setInputFiles(mine);
  const part = () => readdirSync(home).find((n) => n.endsWith('.part'));
  await until('some of it is there', () => part() && statSync(join(home, part()!)).size > 3_000_000);
  network.cut('page');
  await expect(transfers).toContainText('going on soon');
  network.mend('page');
  await until('more of it is there', () => part() && statSync(join(home, part()!)).size > 9_000_000);
  network.cut('program');
  await expect(transfers).toContainText('going on soon');
  network.mend('program');
  await until('still more of it is there', () => part() && statSync(join(home, part()!)).size > 14_000_000);
  await page.getByRole('button', { name: 'Pause ours.bin' }).click();
  await expect(transfers).toContainText('paused');
  expect(existsSync(join(home, 'ours.bin')), 'nothing stands under its name before it is whole').toBe(false);
  await page.screenshot({ path: 'results/files-paused.png' });
  await page.getByRole('button', { name: 'Go on with ours.bin' }).click();
  await expect(transfers.getByText(/done: .*ours\.bin/)).toBeVisible({ timeout: 40_000 });
  expect(sha(readFileSync(join(home, 'ours.bin')))).toBe(sha(ours));

  // From the customer, likewise.
  const download = page.waitForEvent('download');
  await page.getByLabel('Choose theirs.bin').check();
  await page.getByRole('button', { name: 'Download' }).click();
  await expect.poll(() => value('theirs.bin'), { timeout: 20_000 }).toBeGreaterThan(3_000_000);
  network.cut('program');
  await expect(transfers).toContainText('going on soon');
  network.mend('program');
  await expect.poll(() => value('theirs.bin'), { timeout: 30_000 }).toBeGreaterThan(12_000_000);
  network.cut('page');
  await expect(transfers).toContainText('going on soon');
  network.mend('page');
  network.rate = Infinity;
  expect(sha(readFileSync(await (await download).path()))).toBe(sha(theirs));

  // Cancelled: nothing stays.
  network.rate = 3_000_000;
  await page.getByLabel('Files to send').setInputFiles(mine);
  await until('some of it is there', () => part() && statSync(join(home, part()!)).size > 1_000_000);
  await page.getByRole('button', { name: 'Cancel ours.bin' }).click();
  network.rate = Infinity;
  await until('nothing is left of it', () => !part());
  expect(readdirSync(home).filter((n) => n.startsWith('ours'))).toEqual(['ours.bin']);
});
