// A page of another site, with a policy of its own, opens a chat with the script that pages of the original embed.

import { expect, test } from '@playwright/test';
import { createServer } from 'node:http';
import { ADMIN, signIn } from '../lib/people';
import { freePort } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('a button of another site opens the chat and passes the customer’s details', async ({ page, browser }) => {
  await signIn(page, fixture.server, ADMIN);
  const settings = await (await page.request.get(`${fixture.server.url}/api/settings`)).json();
  settings.beyondtrust.open_door = true;
  expect((await page.request.put(`${fixture.server.url}/api/settings`, { data: settings })).status()).toBe(200);

  const port = await freePort();
  const html = `<!doctype html><title>Intranet</title>
    <script src="${fixture.server.url}/api/start_session.js"></script>
    <button onclick="BG.start(BG.START_TYPE.CHAT, { issue: { codeName: 'service_desk' }, customer: { name: 'Ada & <b>', company: 'Weber Bau', details: 'No ink' } })">Chat</button>`;
  const policy = `default-src 'none'; script-src 'unsafe-inline' ${fixture.server.url}; form-action ${fixture.server.url}`;
  const intranet = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy }).end(html);
  });
  await new Promise<void>((done) => intranet.listen(port, '127.0.0.1', done));

  const context = await browser.newContext();
  const customer = await context.newPage();
  await customer.goto(`http://127.0.0.1:${port}/`);
  const opened = context.waitForEvent('page');
  await customer.getByRole('button', { name: 'Chat' }).click();
  const chat = await opened;
  await chat.getByRole('button', { name: 'Chat in this browser' }).click();
  await expect(chat.getByText('No ink').first()).toBeVisible();
  const incidents = await (await page.request.get(`${fixture.server.url}/api/incidents`)).json();
  const made = incidents.find((i: { subject: string }) => i.subject === 'No ink');
  expect(made.customer.name).toBe('Ada & <b>');
  await context.close();
  intranet.close();
});
