// What integrations made for BeyondTrust depend on: events in strict order, and a complete report when the end is
// announced.

import { expect, test } from '@playwright/test';
import { spawnSync } from 'node:child_process';
import { Hook } from '../lib/hook';
import { ADMIN, signIn } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('events arrive in order, only 200 acknowledges them, and the report is complete at the end', async ({
  page,
  browser,
  request
}) => {
  const hook = await Hook.start();
  await signIn(page, fixture.server, ADMIN);
  const { name, scopes } = { name: 'ServiceNow', scopes: ['sessions:read', 'sessions:write', 'evidence:read'] };
  const account = await (
    await page.request.post(`${fixture.server.url}/api/accounts`, {
      data: { name, comments: '', scopes, enabled: true }
    })
  ).json();
  const receiver = {
    kind: 'beyondtrust',
    name: 'ServiceNow',
    url: hook.url,
    token: '',
    events: [],
    authority: '',
    enabled: true,
    retry_seconds: 1,
    retry_hours: 1
  };
  expect((await page.request.post(`${fixture.server.url}/api/receivers`, { data: receiver })).status()).toBe(201);
  const basic = Buffer.from(`${account.account.client_id}:${account.client_secret}`).toString('base64');
  const token = await (
    await request.post(`${fixture.server.url}/oauth2/token`, {
      headers: { authorization: `Basic ${basic}` },
      form: { grant_type: 'client_credentials' }
    })
  ).json();
  const headers = { authorization: `Bearer ${token.access_token}` };
  const command = async (form: Record<string, string>) =>
    (await request.post(`${fixture.server.url}/api/command`, { headers, form })).text();
  const made = await command({
    action: 'generate_session_key',
    type: 'support',
    queue_id: `rep_username:eva`,
    'session.priority': '3',
    'session.custom.external_key': 'INC0010023',
    'session.custom.floor': '3'
  });
  const url = made.match(/<key_url>([^<]+)</)![1]!;

  // The customer follows the link of the mail, and the technician is in the session.
  const context = await browser.newContext();
  const customer = await context.newPage();
  await customer.goto(url);
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  const [{ state }] = await (await page.request.get(`${fixture.server.url}/api/sessions`)).json();
  await page.goto(`${fixture.server.url}/console/sessions/${state.id}`);
  await expect(page.getByText('Customer is here')).toBeVisible();
  await until('the technician’s arrival is announced', () =>
    hook.received.some((t) => t.body.includes('username=eva'))
  );
  // 201 is not 200: from here on nothing gets through until it is.
  hook.status = 201;
  await customer.getByRole('button', { name: 'End the conversation' }).click();
  await customer.getByRole('dialog').getByRole('button', { name: 'End the conversation' }).click();
  const before = hook.received.length;
  const { receivers } = await (await page.request.get(`${fixture.server.url}/api/integrations`)).json();
  const log = async () =>
    (await page.request.get(`${fixture.server.url}/api/receivers/${receivers[0].id}/deliveries?state=waiting`)).json();
  await until('the end waits, too', async () =>
    (await log()).some((d: { event: string }) => d.event === 'support_conference_end')
  );
  expect(hook.received).toHaveLength(before);
  hook.status = 200;
  await until('the end is announced', () => hook.received.some((t) => t.body.includes('event=support_conference_end')));
  const report = await (
    await request.post(`${fixture.server.url}/api/reporting?generate_report=SupportSession&lsid=${state.id}`, {
      headers
    })
  ).text();
  expect(report).toContain('<end_time');
  expect(report).toContain('event_type="Session End"');

  const events = hook.received.map((t) => Object.fromEntries(new URLSearchParams(t.body)));
  expect(events.map((e) => `${e.event} ${e.name ?? ''}`.trim())).toEqual([
    'support_conference_begin',
    'support_conference_member_added Customer',
    'support_conference_member_added Eva Lindner',
    'support_conference_owner_changed Eva Lindner',
    'support_conference_member_departed Customer',
    'support_conference_member_departed Eva Lindner',
    'support_conference_end'
  ]);
  const health = await command({ action: 'check_health' });
  for (const event of events) {
    expect(event).toMatchObject({ lsid: state.id, external_key: 'INC0010023', 'session.custom.floor': '3' });
    // A standard attribute is not a custom one.
    expect(Object.keys(event).filter((name) => name.startsWith('session.custom.'))).toEqual(['session.custom.floor']);
    expect(health).toContain(`id="${event.appliance_id}"`);
    expect(Number(event.timestamp)).toBeGreaterThan(1_700_000_000);
  }
  expect(events[2]).toMatchObject({ type: 'representative', username: 'eva', display_name: 'Eva Lindner' });
  expect(hook.received[0]!.headers['content-type']).toBe('application/x-www-form-urlencoded');
  await context.close();
  hook.stop();
});

test('a public client made for the original runs unchanged: bt-cli from the Python Package Index', async ({ page }) => {
  await signIn(page, fixture.server, ADMIN);
  const add = {
    name: 'bt-cli',
    comments: 'people and policies',
    scopes: ['sessions:read', 'people:read', 'people:write'],
    enabled: true
  };
  const made = await page.request.post(`${fixture.server.url}/api/accounts`, { data: add });
  expect(made.status(), await made.text()).toBe(201);
  const { account, client_secret } = await made.json();
  const env = {
    ...process.env,
    BT_PRA_API_URL: fixture.server.url,
    BT_PRA_CLIENT_ID: account.client_id,
    BT_PRA_CLIENT_SECRET: client_secret,
    HOME: fixture.home,
    COLUMNS: '200'
  } as NodeJS.ProcessEnv;
  // The test runner makes its children print colours.
  delete env.FORCE_COLOR;
  const bt = (...words: string[]) => spawnSync('.python/bin/bt', ['pra', ...words], { env, encoding: 'utf8' });
  const list = (...words: string[]) => {
    const ran = bt(...words, '--output', 'json');
    expect(ran.status, `${words.join(' ')}: ${ran.stdout}${ran.stderr}`).toBe(0);
    return JSON.parse(ran.stdout);
  };
  expect(bt('auth', 'test').stderr).toContain('Connected to PRA API');
  const users = list('users', 'list');
  expect(users.map((u: { username: string }) => u.username).sort()).toEqual(['eva', 'tom']);
  expect(list('users', 'get', String(users[0].id))).toMatchObject({ id: users[0].id, username: users[0].username });
  expect(list('teams', 'list').map((t: { name: string }) => t.name)).toContain('Service desk');
  expect(list('policies', 'session', 'list').length).toBeGreaterThan(0);
  // Features that Deskside lacks return nothing, without an error.
  for (const nothing of [
    ['jump-clients'],
    ['jump-groups'],
    ['jumpoints'],
    ['jump-items', 'shell'],
    ['jump-items', 'rdp'],
    ['jump-items', 'web'],
    ['policies', 'jump'],
    ['vault', 'accounts'],
    ['vault', 'groups']
  ]) {
    expect(list(...nothing, 'list'), nothing.join(' ')).toEqual([]);
  }
  // Identity management: groups, their members, and the changes of a user.
  const groups = list('policies', 'group', 'list');
  const eva = users.find((u: { username: string }) => u.username === 'eva');
  expect(list('users', 'group-policies', String(eva.id)).map((g: { id: number }) => g.id)).toEqual([groups[0].id]);
  // Wrong credentials are refused.
  const wrong = spawnSync('.python/bin/bt', ['pra', 'users', 'list'], {
    env: { ...env, BT_PRA_CLIENT_SECRET: 'wrong' },
    encoding: 'utf8'
  });
  expect(wrong.status).not.toBe(0);
  expect(wrong.stderr).toContain('Client authentication failed');
});
