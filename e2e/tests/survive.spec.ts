// Lost connections and crashes: the network of either side, and the server itself, during a screen share.

import { expect, test } from '@playwright/test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, generate, signIn } from '../lib/people';
import { close, recorded } from '../lib/remains';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '30'], proxied: true });

test('a screen share survives lost connections of both sides and kill -9, without losing anything', async ({
  page,
  request
}, info) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.locator('canvas.picture')).toBeVisible();
  const say = async (text: string) => {
    await page.getByLabel('Message').fill(text);
    await page.getByLabel('Message').press('Enter');
    await expect(page.getByRole('listitem').filter({ hasText: text })).toBeVisible();
  };
  await say('before any cut');

  // The customer's network fails: the technician is told; it recovers by itself, with the screen.
  fixture.network.cut('program');
  await expect(page.getByText(`${CUSTOMER.name}: reconnecting …`)).toBeVisible();
  await say('said while the customer is away');
  fixture.network.restore('program');
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await expect(page.locator('canvas.picture')).toBeVisible();
  await expect(page.getByText('You control')).toBeVisible();

  // The technician's network fails.
  fixture.network.cut('page');
  await expect(page.getByText('The connection to the server was lost. Reconnecting …')).toBeVisible();
  fixture.network.restore('page');
  await expect(page.getByText('The connection to the server was lost.')).toBeHidden();
  await expect(page.locator('canvas.picture')).toBeVisible();
  await say('after both cuts');

  // kill -9.
  await fixture.server.kill();
  await expect(page.getByText('The connection to the server was lost. Reconnecting …')).toBeVisible();
  // On disk, nothing of the screen can be read without the server's key.
  const reel = readFileSync(
    join(
      fixture.server.data,
      'recordings',
      readdirSync(join(fixture.server.data, 'recordings')).find((f) => f.endsWith('.reel'))!
    )
  );
  expect(reel.subarray(0, 7).toString()).toBe('DSKVLT2');
  await fixture.server.run();
  await expect(page.getByText('The connection to the server was lost.')).toBeHidden();
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  for (const text of ['before any cut', 'said while the customer is away', 'after both cuts']) {
    await expect(page.getByRole('listitem').filter({ hasText: text })).toHaveCount(1);
  }
  await expect(page.locator('canvas.picture')).toBeVisible();
  await say('after the crash');
  const session = page.url().match(/sessions\/([^/?]+)/)![1]!;
  const soFar = await recorded(page.request, fixture.server, session, info.outputPath('so-far.webm'));
  expect(soFar.pictures, 'what was recorded before the kill plays').toBeGreaterThan(0);

  const entry = await close(page);
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();
  await entry.getByRole('link', { name: /Video/ }).click();
  const video = page.getByLabel('Recording of the shared screen');
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.duration)).toBeGreaterThan(2);
  const all = await recorded(page.request, fixture.server, session, info.outputPath('all.webm'));
  expect(all.complaints).toBe('');
  expect(all.pictures, 'nothing is lost that was recorded before').toBeGreaterThanOrEqual(soFar.pictures);
});

test('a technician who never comes back leaves the session on hold', async ({ page, browser }) => {
  await signIn(page, fixture.server);
  const { link } = await generate(page, fixture.server, 1);
  const customer = await (await browser.newContext()).newPage();
  await customer.goto(link);
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  await expect(page.getByText(/is here/)).toBeVisible();
  // Another page of the console counts as present; the technician is gone only without any.
  await page.goto(`${fixture.server.url}/console/queue`);
  await expect(customer.getByText('Tom Becker is back')).toBeVisible();
  const context = page.context();
  await page.close();
  await expect(customer.getByText('Tom Becker has lost the connection, reconnecting …').last()).toBeVisible();
  await expect(customer.getByRole('heading', { name: 'The session has ended for now' })).toBeVisible({
    timeout: 45_000
  });
  const back = await context.newPage();
  await back.goto(`${fixture.server.url}/console/queue`);
  await expect(back.getByText('On hold', { exact: true })).toBeVisible();
  await back.getByRole('button', { name: 'Open again' }).click();
  await expect(customer.getByText('Tom Becker has opened the session again')).toBeVisible();
});
