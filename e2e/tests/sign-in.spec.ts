// Who people are: a second factor on a phone, and the organisation's own sign-in by a real OpenID provider.

import { expect, type Page, test } from '@playwright/test';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { ADMIN, furnish, signIn, TECHNICIAN } from '../lib/people';
import { end, freePort, Server, until } from '../lib/processes';

let server: Server;
let provider: ChildProcess;
let issuer: string;
test.beforeAll(async ({ playwright }) => {
  server = await Server.start();
  const request = await playwright.request.newContext();
  await furnish(server, request);
  await request.dispose();
  const port = await freePort();
  issuer = `http://localhost:${port}`;
  provider = spawn('node', [join(import.meta.dirname, '../lib/provider.mjs'), String(port), `${server.url}/sign-in/openid`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let up = false;
  provider.stdout!.on('data', () => (up = true));
  await until('the provider listens', () => up);
});
test.afterAll(async () => {
  if (provider) await end(provider, 'SIGKILL');
  await server?.stop();
});

/** What a phone shows (RFC 6238). */
function code(secret: string, step = 0): string {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + step));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = mac[19]! & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const password = async (page: Page) => {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('User name').fill(TECHNICIAN.login);
  await page.getByLabel('Password').fill(TECHNICIAN.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
};
const giveCode = async (page: Page, text: string) => {
  await page.getByLabel('Code').fill(text);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
};

test('a second factor is set up, asked for, and each code works once', async ({ page, browser }) => {
  await signIn(page, server);
  await page.locator('summary', { hasText: TECHNICIAN.name }).click();
  await page.getByRole('link', { name: 'My account' }).click();
  await page.getByRole('button', { name: 'Set up' }).click();
  await expect(page.getByRole('img', { name: 'A QR code with the secret' })).toBeVisible();
  const secret = await page.locator('code.secret').innerText();
  await page.getByLabel('Code').fill('000000');
  await page.getByRole('button', { name: 'Turn on' }).click();
  await expect(page.getByRole('alert')).toContainText('The code is not right');
  await page.screenshot({ path: 'results/second.png' });
  // The step before now, so that the next sign-in has a code of its own.
  const used = code(secret, -1);
  await page.getByLabel('Code').fill(used);
  await page.getByRole('button', { name: 'Turn on' }).click();
  await expect(page.getByRole('status')).toContainText('recovery codes');
  const recovery = await page.getByRole('listitem').allInnerTexts();
  expect(recovery).toHaveLength(8);

  const other = await (await browser.newContext()).newPage();
  await password(other);
  await giveCode(other, used);
  await expect(other.getByRole('alert')).toContainText('used already');
  await giveCode(other, code(secret));
  await expect(other.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  await other.context().clearCookies();
  await password(other);
  await giveCode(other, recovery[0]!);
  await expect(other.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  const again = await other.request.post(`${server.url}/api/sign-in`, { data: { login: TECHNICIAN.login, password: TECHNICIAN.password, code: recovery[0] } });
  expect([again.status(), (await again.json()).message]).toEqual([401, expect.stringContaining('The code is not right')]);
  await other.context().close();

  // An administrator helps when phone and codes are lost; whoever was signed in is signed out.
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, server, ADMIN);
  await admin.goto(`${server.url}/console/settings`);
  await admin.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await admin.getByRole('button', { name: /Take the second factor away/ }).click();
  await expect(admin.getByText('second factor', { exact: true })).toBeHidden();
  await admin.context().close();
  expect((await page.request.get(`${server.url}/api/me`)).status()).toBe(401);
  await signIn(page, server);
});

/** Signs in at the provider as somebody, and comes back. */
async function comeAs(page: Page, who: string) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole('link', { name: 'Sign in with Northwind' }).click();
  await page.getByPlaceholder('Enter any login').fill(who);
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('the organisation’s own sign-in, with groups that say who is what', async ({ page, browser }) => {
  await signIn(page, server, ADMIN);
  await page.goto(`${server.url}/console/integrations`);
  const form = page.getByRole('form', { name: 'Sign-in' });
  await form.getByLabel('Technicians may sign in with it').check();
  await form.getByLabel('What the button says').fill('Northwind');
  await form.getByLabel('Issuer').fill('http://localhost:1');
  await form.getByLabel('Client id').fill('deskside');
  await form.getByLabel(/Client secret/).fill('a secret of a test');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('alert')).toContainText('localhost cannot be reached');
  await form.getByLabel('Issuer').fill(issuer);
  for (const [n, [group, team, administrator]] of ([['helpdesk', 'Service desk', false], ['it', 'IT', true]] as const).entries()) {
    await form.getByRole('button', { name: 'Add a group' }).click();
    await form.getByLabel('Group', { exact: true }).nth(n).fill(group);
    await form.getByLabel('Team').nth(n).fill(team);
    if (administrator) await form.getByLabel('Administrators').nth(n).check();
  }
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('status')).toContainText('The provider answers.');
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(form.getByRole('status')).toContainText('Saved.');
  await page.screenshot({ path: 'results/openid.png', fullPage: true });
  // The secret is never told again.
  expect(await (await page.request.get(`${server.url}/api/openid`)).text()).not.toContain('a secret of a test');

  const guest = await (await browser.newContext()).newPage();
  await comeAs(guest, 'grace');
  await expect(guest.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  await expect(guest.getByText('Grace Okoro')).toBeVisible();
  await expect(guest.getByRole('link', { name: 'Settings' })).toBeHidden();
  expect((await (await guest.request.get(`${server.url}/api/me`)).json()).account).toMatchObject({ login: 'grace', team: 'Service desk', administrator: false, external: true });
  await guest.context().close();

  const admin = await (await browser.newContext()).newPage();
  await comeAs(admin, 'ivan');
  await expect(admin.getByRole('link', { name: 'Settings' })).toBeVisible();
  // The name that he prefers is somebody else's here: he gets another, and never her account.
  expect((await (await admin.request.get(`${server.url}/api/me`)).json()).account).toMatchObject({ login: 'eva-2', name: 'Ivan Petrov', administrator: true });
  await admin.context().close();

  const stranger = await (await browser.newContext()).newPage();
  await comeAs(stranger, 'mallory');
  await expect(stranger.getByRole('alert')).toContainText('none of the groups');
  // An answer that another browser asked for lets nobody in.
  const away = await stranger.request.get(`${server.url}/sign-in/openid/start`, { maxRedirects: 0 });
  const state = new URL(away.headers()['location']!).searchParams.get('state')!;
  const other = await browser.newContext();
  const forged = await other.request.get(`${server.url}/sign-in/openid?state=${state}&code=x`, { maxRedirects: 0 });
  expect(decodeURIComponent(forged.headers()['location']!.replaceAll('+', ' '))).toContain('begun elsewhere');
  await other.close();
  await stranger.context().close();
});
