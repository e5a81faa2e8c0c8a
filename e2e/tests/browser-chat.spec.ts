// The customer in a browser: with a link, a key or neither; the chat; and the hand-over to the support program.

import { expect, test, type WebSocketRoute } from '@playwright/test';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { CUSTOMER, generate, signIn } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('with a link: invitation, chat, reload and leaving', async ({ page, browser }) => {
  await signIn(page, fixture.server);
  const { link } = await generate(page, fixture.server, 1);
  const customer = await (await browser.newContext({ viewport: { width: 800, height: 900 } })).newPage();
  await customer.goto(link);
  await expect(customer.getByRole('heading', { name: 'Tom Becker wants to help you' })).toBeVisible();
  await expect(customer.getByText('INC-1001')).toBeVisible();
  await expect(customer.getByText('Did you ask for this?')).toBeVisible();
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  await expect(page.getByText(`${CUSTOMER.name} is here (browser)`)).toBeVisible();

  // Typing is shown, Enter sends, Shift+Enter does not.
  const write = customer.getByLabel('Message');
  await expect(write).toBeEnabled();
  await write.pressSequentially('Good');
  await expect(page.getByText(`${CUSTOMER.name} is typing …`)).toBeVisible();
  await write.press('Shift+Enter');
  await write.pressSequentially('morning');
  await write.press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'Good\nmorning' })).toBeVisible();

  // Longer than 4,000 characters: refused before sending, and the text stays.
  await write.fill('ü'.repeat(4_001));
  await expect(customer.getByText('4,001 of 4,000 characters: too long to send')).toBeVisible();
  await expect(customer.getByRole('button', { name: 'Send' })).toBeDisabled();
  await write.fill('ü'.repeat(4_000));
  await write.press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'üüüü' })).toBeVisible();

  // Markup is shown as text.
  await write.fill('<img src=x onerror=alert(1)> javascript:alert(2)');
  await write.press('Enter');
  await expect(page.getByText('<img src=x onerror=alert(1)> javascript:alert(2)')).toBeVisible();

  // A reload shows everything again.
  await customer.reload();
  await expect(customer.getByText('<img src=x')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('listitem').filter({ hasText: 'Good\nmorning' })).toBeVisible();
  await page.getByLabel('Message').fill('I am back');
  await page.getByLabel('Message').press('Enter');
  await expect(customer.getByText('I am back')).toBeVisible();
  await customer.screenshot({ path: 'results/browser-chat.png' });

  // The link works once: somebody else gets a friendly page without information.
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(link);
  await expect(stranger.getByRole('heading', { name: 'This key or link does not work' })).toBeVisible();
  await expect(stranger.locator('body')).not.toContainText('Tom Becker');

  // The page can share a screen; everything else needs the program, and the button says so.
  await expect(page.getByRole('button', { name: 'Share screen' })).toBeEnabled();
  await expect(page.getByRole('button', { name: 'Ask for clipboard' })).toHaveAttribute(
    'title',
    'the customer is in a browser, and this needs the support program'
  );

  // The customer leaves.
  await customer.getByRole('button', { name: 'End the conversation' }).click();
  await customer.getByRole('dialog').getByRole('button', { name: 'End the conversation' }).click();
  await expect(customer.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
  await expect(page.getByText(`${CUSTOMER.name} has left the conversation`)).toBeVisible();
  await page.getByRole('link', { name: 'To the incident' }).click();
  const entry = page.getByRole('listitem').filter({ hasText: 'Remote support history' });
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();
  await expect(entry).toContainText('the customer left');
  await expect(entry).toContainText('No screen was shared: there is no video.');
});

test('with a key, and hand-over to the support program in the same conversation', async ({ page, browser }) => {
  await signIn(page, fixture.server);
  const { key } = await generate(page, fixture.server, 1);
  const customer = await (await browser.newContext()).newPage();
  await customer.goto(fixture.server.url);
  await customer.getByLabel('Session key').fill(key.replace(/(\d{3})/g, '$1 '));
  await customer.screenshot({ path: 'results/front.png' });
  await customer.getByRole('button', { name: 'Continue' }).click();
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  await customer.getByLabel('Message').fill('Hello from the browser');
  await customer.getByLabel('Message').press('Enter');
  await expect(page.getByText('Hello from the browser')).toBeVisible();

  await customer.getByText(/^Let .* control/).click();
  const download = customer.waitForEvent('download');
  await customer.getByRole('button', { name: 'Open the support program' }).click();
  const file = join(fixture.server.data, 'handed-over');
  await (await download).saveAs(file);
  chmodSync(file, 0o755);
  fixture.desktop.open(file, []);
  await expect(page.getByText(`${CUSTOMER.name} is back (with the support program)`)).toBeVisible();
  await expect(customer.getByRole('heading', { name: 'This conversation continues in another window' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Share screen' })).toBeEnabled();

  // Closing the program's window asks once, then leaves the session.
  await fixture.desktop.keys('Northwind Support', 'alt+F4');
  await expect.poll(() => fixture.desktop.hasWindow('Northwind Support'), { message: 'it asks first' }).toBe(true);
  await expect(page.getByText(`${CUSTOMER.name} has left the conversation`)).toBeHidden();
  await fixture.desktop.keys('Northwind Support', 'alt+F4');
  await expect(page.getByText(`${CUSTOMER.name} has left the conversation`)).toBeVisible();
});

test('a wrong key shows a friendly page', async ({ page }) => {
  await page.goto(fixture.server.url);
  await page.getByLabel('Session key').fill('12');
  await expect(page.getByRole('button', { name: 'Continue' })).toBeDisabled();
  await page.getByLabel('Session key').fill('000 000 001');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('heading', { name: 'This key or link does not work' })).toBeVisible();
});

test('a page of an older server reloads itself instead of reconnecting for ever', async ({ page }) => {
  await signIn(page, fixture.server);
  let attempts = 0;
  let refuse = false;
  const open = new Set<WebSocketRoute>();
  await page.routeWebSocket(/\/wire$/, async (socket) => {
    if (refuse) {
      attempts++;
      return socket.close();
    }
    socket.connectToServer();
    open.add(socket);
  });
  await generate(page, fixture.server, fixture.incident);
  await expect(page.getByText('Waiting for the customer')).toBeVisible();
  await expect.poll(() => open.size, { message: 'the page has its connection' }).toBeGreaterThan(0);
  // The server is a newer one now: its pages are newer, and it refuses connections of the old ones.
  refuse = true;
  const version = '**/_app/version.json';
  await page.route(version, (route) => route.fulfill({ json: { version: 'newer' } }));
  const reloaded = page.waitForEvent('load');
  const connections = open.size;
  for (const socket of open) await socket.close();
  await reloaded;
  expect(attempts).toBeLessThan(3 * connections);
  await page.unroute(version);
  refuse = false;
  await expect(page.getByText('Waiting for the customer')).toBeVisible();
});
