// Another service desk: from a ticket of a real Request Tracker to a session and back, also after an outage; and
// webhooks.

import { expect, test } from '@playwright/test';
import { createHmac } from 'node:crypto';
import { Hook } from '../lib/hook';
import { ADMIN, signIn } from '../lib/people';
import { until } from '../lib/processes';
import { close } from '../lib/remains';
import { RequestTracker } from '../lib/request-tracker';
import { useFixture } from '../lib/fixture';

test.describe.configure({ mode: 'serial' });
const fixture = useFixture();
let rt: RequestTracker;
test.beforeAll(async () => {
  test.setTimeout(180_000);
  rt = await RequestTracker.start(`${fixture.server.url}/start?desk=rt&ticket=__id__`);
});
test.afterAll(() => rt?.stop());

test('an administrator sets up Request Tracker and learns what is wrong', async ({ page }) => {
  await signIn(page, fixture.server, ADMIN);
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Integrations' }).click();
  await page.getByRole('button', { name: 'New Request Tracker' }).click();
  await page.getByRole('dialog').getByLabel('Address').fill(rt.url);
  await page.getByLabel('Token', { exact: true }).fill('1-14-nonsense');
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  const desks = page.getByRole('region', { name: 'Service desks' });
  await desks.getByRole('button', { name: 'Test Request Tracker' }).click();
  await expect(desks.getByRole('status')).toContainText('does not let this token do that');
  await desks.getByRole('button', { name: 'Edit Request Tracker' }).click();
  await page.getByLabel('New token (empty').fill(rt.token);
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await desks.getByRole('button', { name: 'Test Request Tracker' }).click();
  await expect(desks.getByRole('status')).toContainText(/✓ Request Tracker 5\.\S+ answers; this token sees \d+ queue/);
  await page.screenshot({ path: 'results/integrations.png', fullPage: true });
});

test('two clicks lead from the ticket to a session, and its result comes back to the ticket', async ({
  page,
  browser
}) => {
  test.setTimeout(240_000);
  await rt.ask('user', {
    Name: 'mina@customer.example',
    EmailAddress: 'mina@customer.example',
    RealName: 'Mina Okafor',
    Privileged: 0
  });
  const fields = { 'Remote support': 'Start a session' };
  const { id } = await rt.ask<{ id: string }>('ticket', {
    Queue: 'General',
    Subject: 'Prints <b>nothing</b>',
    Content: 'Since today.',
    Requestor: 'mina@customer.example',
    CustomFields: fields
  });
  await signIn(page, fixture.server);

  // The page of the ticket, in Request Tracker itself.
  await page.goto(`${rt.url}/`);
  await page.locator('input[name=user]').fill('root');
  await page.locator('input[name=pass]').fill('password');
  await page.locator('input[type=submit]').first().click();
  await page.goto(`${rt.url}/Ticket/Display.html?id=${id}`);
  await page.screenshot({ path: 'results/rt-ticket.png' });
  const [start] = await Promise.all([
    page
      .context()
      .waitForEvent('page', { timeout: 5_000 })
      .catch(() => page),
    page.getByRole('link', { name: 'Start a session' }).click()
  ]);
  // Any page could contain this link: nothing is created before somebody confirms here.
  await expect(start.getByRole('heading', { name: `Ticket ${id}` })).toBeVisible();
  expect(await (await start.request.get(`${fixture.server.url}/api/sessions`)).json()).toEqual([]);
  await start.getByRole('button', { name: 'Start a session' }).click();
  await expect(start.getByLabel(/^Session key \d/)).toBeVisible();
  const link = await start.getByLabel('Session link', { exact: true }).inputValue();
  await start.getByRole('button', { name: 'OK', exact: true }).click();
  // Request Tracker sends the mail to the requestor.
  await expect(start.getByLabel('To')).toHaveValue('mina@customer.example');
  await start.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(start.getByText('on its way to mina@customer.example')).toBeVisible();
  const mail = (await rt.entries(id)).find((e) => e.kind === 'Correspond')!;
  expect(mail.text).toContain(link);
  await until(
    'the mail leaves Request Tracker',
    () =>
      rt.mails.includes('To: mina@customer.example') && rt.mails.replace(/=\r?\n/g, '').includes(link.split('#')[1]!)
  );

  const [queued] = await (await start.request.get(`${fixture.server.url}/api/sessions`)).json();
  expect(queued.state.incident.number).toBe(`RT #${id}`);
  await start.goto(`${fixture.server.url}/console/sessions/${queued.state.id}`);
  const context = await browser.newContext();
  const customer = await context.newPage();
  await customer.goto(link);
  await customer
    .getByRole('button', { name: /Chat|browser/ })
    .first()
    .click();
  await expect(start.getByText('Mina Okafor is here')).toBeVisible();
  await customer.getByRole('textbox', { name: 'Message' }).fill('Nothing <i>at all</i>');
  await customer.getByRole('textbox', { name: 'Message' }).press('Enter');
  await expect(start.getByText('Nothing <i>at all</i>')).toBeVisible();

  // The desk is down: nothing is lost, and an administrator sees what waits and why.
  await until('the start is written', async () =>
    (await rt.entries(id)).some((e) => e.text.includes('has created a support session'))
  );
  await rt.down();
  const entry = await close(start);
  await expect(entry.getByText('linked')).toBeVisible();
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, fixture.server, ADMIN);
  await admin.goto(`${fixture.server.url}/console/settings/integrations`);
  const desks = admin.getByRole('region', { name: 'Service desks' });
  await expect(desks.getByText('2 waiting')).toBeVisible();
  await expect(desks.getByRole('alert')).toContainText('localhost cannot be reached');
  await rt.up();
  await desks.getByRole('button', { name: 'Deliveries to Request Tracker' }).click();
  await admin
    .getByRole('row', { name: /desk\.ended/ })
    .getByRole('button', { name: 'Try now' })
    .click();
  await expect(admin.getByRole('row', { name: /desk\.history/ })).toContainText('delivered');
  await admin.screenshot({ path: 'results/deliveries.png' });
  await admin.context().close();

  const comments = (await rt.entries(id)).filter((e) => e.kind === 'Comment');
  expect(comments).toHaveLength(3);
  expect(comments[1]!.text).toContain('<b>Mina Okafor:</b> Nothing &lt;i&gt;at all&lt;/i&gt;');
  expect(comments[1]!.text).toContain('The session has ended: closed by the technician');
  const session = new URL(
    (await entry.getByRole('link', { name: 'Transcript' }).getAttribute('href')) as string,
    fixture.server.url
  ).href;
  expect(comments[2]!.text).toContain('Remote support history');
  expect(comments[2]!.text).toContain('linked');
  expect(comments[2]!.text).toContain(`href="${session}"`);
  // The link leads those who may see the session to its transcript, and nobody else.
  await start.goto(`${rt.url}/Ticket/Display.html?id=${id}`);
  await start.getByRole('link', { name: 'Transcript' }).last().scrollIntoViewIfNeeded();
  await start.screenshot({ path: 'results/rt-history.png' });
  await start.goto(session);
  await expect(start.getByText('Nothing <i>at all</i>')).toBeVisible();
  await context.close();

  // Changes at the desk are mirrored here automatically.
  await rt.change(id, { Subject: 'Prints again', Status: 'stalled' });
  const { incident } = queued.state;
  await expect(async () => {
    await start.goto(`${fixture.server.url}/console/incidents/${incident.id}`);
    await expect(start.getByRole('heading', { name: 'Prints again' })).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 60_000 });
  await expect(start.getByRole('region', { name: 'Incident' })).toContainText('Waiting');
  await expect(start.getByText(/subject: Prints <b>nothing<\/b>.* → Prints again/)).toBeVisible();
});

test('an entry whose delivery was not acknowledged is not written twice', async ({ page, request }) => {
  const { id } = await rt.ask<{ id: string }>('ticket', {
    Queue: 'General',
    Subject: 'Twice',
    Content: 'x',
    Requestor: 'mina@customer.example'
  });
  await signIn(page, fixture.server, ADMIN);
  const made = await page.request.post(`${fixture.server.url}/api/desks/rt/tickets/${id}/sessions`);
  expect(made.status()).toBe(201);
  await until('the start is written', async () => (await rt.entries(id)).length === 1);
  const { receivers } = await (await page.request.get(`${fixture.server.url}/api/integrations`)).json();
  const log = async () =>
    (await page.request.get(`${fixture.server.url}/api/receivers/${receivers[0].id}/deliveries`)).json();
  const [delivery] = await log();
  expect((await page.request.post(`${fixture.server.url}/api/deliveries/${delivery.id}`)).ok()).toBe(true);
  await until(
    'it is sent again',
    async () => (await log())[0].attempts === 2 && (await log())[0].state === 'delivered'
  );
  expect((await log())[0].answer).toBe('It was written before.');
  expect(await rt.entries(id)).toHaveLength(1);
  // A missing ticket is reported, and nothing is created.
  const missing = await page.request.post(`${fixture.server.url}/api/desks/rt/tickets/99999/sessions`);
  expect([missing.status(), (await missing.json()).message]).toEqual([502, 'Request Tracker has no such ticket.']);
  expect((await page.request.post(`${fixture.server.url}/api/desks/rt/tickets/..%2Fuser/sessions`)).status()).toBe(502);
});

test('webhook events are signed, in order and repeated until acknowledged, even across a crash', async ({ page }) => {
  const hook = await Hook.start();
  hook.status = 503;
  await signIn(page, fixture.server, ADMIN);
  await page.goto(`${fixture.server.url}/console/settings/integrations`);
  await page.getByRole('button', { name: 'New Webhook' }).click();
  await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill('Collector');
  await page.getByRole('dialog').getByLabel('Address').fill(hook.url);
  await page.getByText('If it cannot be reached').click();
  await page.getByLabel('Retry after (seconds)').fill('1');
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  const secret = await page.getByRole('textbox', { name: 'Signing secret' }).inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  const made = await (
    await page.request.post(`${fixture.server.url}/api/incidents/${fixture.incident}/sessions`)
  ).json();
  const hooks = page.getByRole('region', { name: 'Webhooks' });
  await expect(hooks.getByRole('alert')).toContainText('503 Service Unavailable');
  await fixture.server.kill();
  await fixture.server.run();
  expect((await page.request.post(`${fixture.server.url}/api/sessions/${made.session}/close`)).ok()).toBe(true);
  expect(hook.received).toHaveLength(0);
  hook.status = 200;
  await until('everything is sent', () => hook.received.some((t) => t.body.includes('session.stored')));
  const events = hook.received.map((t) => JSON.parse(t.body));
  expect(events.map((e) => e.type)).toEqual([
    'session.created',
    'session.key_issued',
    'session.ended',
    'session.stored'
  ]);
  expect(events[2].data.session).toMatchObject({ id: made.session, state: 'ended', incident: 'INC-1001' });
  expect(JSON.stringify(events), 'no key and no link').not.toMatch(
    new RegExp(`${made.key}|${made.link.split('#')[1]}`)
  );
  for (const { headers, body } of hook.received) {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const mac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
      .update(signed)
      .digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${mac}`);
  }
  expect(new Set(hook.received.map((t) => t.headers['webhook-id'])).size).toBe(4);
  // A delivered event can be sent again, with the same id.
  await page.reload();
  await hooks.getByRole('button', { name: 'Deliveries to Collector' }).click();
  await page
    .getByRole('row', { name: /session\.ended/ })
    .getByRole('button', { name: 'Send again' })
    .click();
  await until('it is sent again', () => hook.received.length === 5);
  expect(hook.received[4]!.headers['webhook-id']).toBe(hook.received[2]!.headers['webhook-id']);
  hook.stop();
});
