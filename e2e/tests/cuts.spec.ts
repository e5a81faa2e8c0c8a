// Transfers resume after either side loses the connection, and a broken end leaves no file under its name.

import { expect, test } from '@playwright/test';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { interruptedDownload, keepDownloads, resumeDownload } from '../lib/downloads';
import { answer } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '30'], proxied: true });

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('transfers in both directions survive lost connections and a pause, and a cancelled one leaves nothing', async ({
  page,
  request
}, info) => {
  const theirs = randomBytes(24_000_000);
  const ours = randomBytes(24_000_000);
  writeFileSync(join(fixture.home, 'theirs.bin'), theirs);
  const mine = info.outputPath('ours.bin');
  writeFileSync(mine, ours);
  await fixture.join(page, request);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'files');
  await expect(page.getByRole('button', { name: 'theirs.bin' })).toBeVisible();
  const transfers = page.getByLabel('Transfers');
  const bar = (name: string) => page.getByLabel(`Progress of ${name}`);
  const value = (name: string) =>
    bar(name)
      .evaluate((p: HTMLProgressElement) => p.value)
      .catch(() => 0);

  // To the customer: each side loses the connection in the middle, and a pause.
  fixture.network.rate = 3_000_000;
  await page.getByLabel('Files to send').setInputFiles(mine);
  const part = () => readdirSync(fixture.home).find((n) => n.endsWith('.part'));
  await until('some of it is there', () => part() && statSync(join(fixture.home, part()!)).size > 3_000_000);
  fixture.network.cut('page');
  await expect(transfers).toContainText('resuming soon');
  fixture.network.restore('page');
  await until('more of it is there', () => part() && statSync(join(fixture.home, part()!)).size > 9_000_000);
  fixture.network.cut('program');
  await expect(transfers).toContainText('resuming soon');
  fixture.network.restore('program');
  await until('still more of it is there', () => part() && statSync(join(fixture.home, part()!)).size > 14_000_000);
  await page.getByRole('button', { name: 'Pause ours.bin' }).click();
  await expect(transfers).toContainText('paused');
  expect(existsSync(join(fixture.home, 'ours.bin')), 'nothing has its name before it is complete').toBe(false);
  await page.screenshot({ path: 'results/files-paused.png' });
  await page.getByRole('button', { name: 'Resume ours.bin' }).click();
  await expect(transfers.getByText(/done: .*ours\.bin/)).toBeVisible({ timeout: 40_000 });
  expect(sha(readFileSync(join(fixture.home, 'ours.bin')))).toBe(sha(ours));

  // From the customer: the program's side resumes by itself, the browser's like any download.
  const downloads = info.outputPath('downloads');
  await keepDownloads(page, downloads);
  await page.getByLabel('Choose theirs.bin').check();
  await page.getByRole('button', { name: 'Download' }).click();
  await expect.poll(() => value('theirs.bin'), { timeout: 20_000 }).toBeGreaterThan(3_000_000);
  fixture.network.cut('program');
  await expect(transfers).toContainText('resuming soon');
  fixture.network.restore('program');
  await page.getByRole('button', { name: 'Pause theirs.bin' }).click();
  await expect(transfers).toContainText('paused');
  await page.getByRole('button', { name: 'Resume theirs.bin' }).click();
  await expect.poll(() => value('theirs.bin'), { timeout: 30_000 }).toBeGreaterThan(12_000_000);
  // A short outage the browser bridges itself; after a longer one its user must resume the download.
  const lost = page.getByText('The connection to the server was lost');
  fixture.network.cut('page');
  fixture.network.restore('page');
  await expect.poll(() => value('theirs.bin'), { timeout: 30_000 }).toBeGreaterThan(17_000_000);
  fixture.network.cut('page');
  await expect(lost).toBeVisible();
  await expect(transfers).toContainText('stopped: resume it');
  await page.screenshot({ path: 'results/files-stopped.png' });
  const list = await interruptedDownload(page);
  fixture.network.restore('page');
  expect(readdirSync(downloads).filter((name) => !name.endsWith('.crdownload'))).toEqual([]);
  await resumeDownload(list);
  fixture.network.rate = Infinity;
  await expect(transfers).toContainText('done: your downloads');
  await until('the browser has it', () => existsSync(join(downloads, 'theirs.bin')));
  expect(sha(readFileSync(join(downloads, 'theirs.bin')))).toBe(sha(theirs));
  await list.close();

  // Cancelled: nothing is left.
  fixture.network.rate = 3_000_000;
  await page.getByLabel('Files to send').setInputFiles(mine);
  await until('some of it is there', () => part() && statSync(join(fixture.home, part()!)).size > 1_000_000);
  await page.getByRole('button', { name: 'Cancel ours.bin' }).click();
  fixture.network.rate = Infinity;
  await until('nothing is left of it', () => !part());
  expect(readdirSync(fixture.home).filter((n) => n.startsWith('ours'))).toEqual(['ours.bin']);
  fixture.network.rate = 3_000_000;
  await page.getByRole('button', { name: 'Download' }).click();
  await expect.poll(() => value('theirs.bin'), { timeout: 20_000 }).toBeGreaterThan(1_000_000);
  await page.getByRole('button', { name: 'Cancel theirs.bin' }).click();
  fixture.network.rate = Infinity;
  await expect(page.getByText(/theirs\.bin could not be fetched: it was cancelled/)).toBeVisible();
  expect(readdirSync(downloads).filter((name) => name.startsWith('theirs') && !name.endsWith('.crdownload'))).toEqual([
    'theirs.bin'
  ]);
});

test('the page waits for a browser that does not save several files at once, and says so', async ({
  page,
  request
}, info) => {
  for (let n = 1; n <= 12; n++) writeFileSync(join(fixture.home, `many ${n}.txt`), `number ${n}`);
  await fixture.join(page, request);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'files');
  await page.getByLabel('Filter by name').fill('many');
  await expect(page.getByLabel(/^Choose many/)).toHaveCount(12);
  const downloads = info.outputPath('downloads');
  await keepDownloads(page, downloads);
  for (const box of await page.getByLabel(/^Choose many/).all()) await box.check();
  await page.getByRole('button', { name: 'Download (12)' }).click();
  // Without a prompt this browser allows ten downloads.
  const transfers = page.getByLabel('Transfers').getByRole('listitem');
  await expect(transfers.filter({ hasText: 'done: your downloads' })).toHaveCount(10);
  await expect(transfers.filter({ hasText: 'waiting for your browser' })).toHaveCount(2);
  await page
    .getByRole('button', { name: /^Cancel many/ })
    .first()
    .click();
  await page
    .getByRole('button', { name: /^Cancel many/ })
    .first()
    .click();
  await expect(transfers.filter({ hasText: 'cancelled' })).toHaveCount(2);
  expect(
    readdirSync(downloads)
      .map((name) => readFileSync(join(downloads, name), 'utf8').replace('number', 'many') + '.txt')
      .sort()
  ).toEqual(readdirSync(downloads).sort());
});
