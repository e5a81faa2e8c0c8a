// Plain HTTP from another machine: browsers offer less there, and the missing features are named or replaced.

import { expect, test } from '@playwright/test';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, differing, seed, generate, runProgram, signIn } from '../lib/people';
import { Desktop, freePort, MEMORY, Server } from '../lib/processes';

test('a technician on plain HTTP sees every pixel and exchanges files', async ({ page, playwright }) => {
  // This machine, by an address that browsers do not treat as local.
  const port = await freePort();
  const url = `http://0.0.0.0:${port}`;
  const server = await Server.start(['--public-url', url], undefined, undefined, [], port);
  const desktop = await Desktop.start();
  const request = await playwright.request.newContext();
  try {
    await seed(server, request);
    server.url = url;
    await signIn(page, server);
    expect(await page.evaluate(() => isSecureContext)).toBe(false);
    const { link } = await generate(page, server, 1);
    await runProgram(server, desktop, request, { link: link.split('#')[1]! });
    await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
    await page.getByRole('button', { name: 'Share screen' }).click();
    await answer(desktop, 'control');
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    // Files need none of the missing features.
    const home = mkdtempSync(join(MEMORY, 'deskside-plain-'));
    const content = randomBytes(300_000);
    writeFileSync(join(home, 'theirs.bin'), content);
    await page.getByRole('tab', { name: 'Files' }).click();
    await page.getByRole('button', { name: 'Ask the customer' }).click();
    await answer(desktop, 'files', false);
    await page.getByLabel("Folder on the customer's computer").fill(home);
    await page.getByLabel("Folder on the customer's computer").press('Enter');
    await expect(page.getByLabel('Choose theirs.bin')).toBeVisible();
    await page
      .getByLabel('Files to send')
      .setInputFiles({ name: 'ours.bin', mimeType: 'application/octet-stream', buffer: content });
    await expect(page.getByText(/done: .*ours\.bin/)).toBeVisible();
    expect(readFileSync(join(home, 'ours.bin')).equals(content)).toBe(true);
    const download = page.waitForEvent('download');
    await page.getByLabel('Choose theirs.bin').check();
    await page.getByRole('button', { name: 'Download', exact: true }).click();
    expect(readFileSync(await (await download).path()).equals(content)).toBe(true);
    await expect(page.getByText('done: your downloads')).toBeVisible();
    await page.screenshot({ path: 'results/plain.png' });
    rmSync(home, { recursive: true });
  } finally {
    await request.dispose();
    await desktop.stop();
    await server.stop();
  }
});
