// Signing in: a second factor on a phone, a passkey, and the organisation's own sign-in with a real OpenID provider.

import { expect, type Page, test } from '@playwright/test';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { ADMIN, seedWithOwnRequest, signIn, TECHNICIAN } from '../lib/people';
import { end, freePort, Server, until } from '../lib/processes';

let server: Server;
let provider: ChildProcess;
let issuer: string;
test.beforeAll(async ({ playwright }) => {
  server = await Server.start();
  await seedWithOwnRequest(server, playwright);
  const port = await freePort();
  issuer = `http://localhost:${port}`;
  provider = spawn(
    'node',
    [join(import.meta.dirname, '../lib/provider.mjs'), String(port), `${server.url}/sign-in/openid`],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  );
  let up = false;
  provider.stdout!.on('data', () => (up = true));
  await until('the provider listens', () => up);
});
test.afterAll(async () => {
  if (provider) await end(provider, 'SIGKILL');
  await server?.stop();
});

/** The code that a phone shows (RFC 6238). */
function code(secret: string, step = 0): string {
  const bits = [...secret]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('');
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

test('a second factor is set up and asked for, and each code works once', async ({ page, browser }) => {
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
  // The previous step, so that the next sign-in has a code of its own.
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
  const again = await other.request.post(`${server.url}/api/sign-in`, {
    data: { login: TECHNICIAN.login, password: TECHNICIAN.password, code: recovery[0] }
  });
  expect([again.status(), (await again.json()).message]).toEqual([
    401,
    expect.stringContaining('The code is not right')
  ]);
  await other.context().close();

  // An administrator helps when phone and codes are lost; the person is signed out everywhere.
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, server, ADMIN);
  await admin.goto(`${server.url}/console/settings/people`);
  await admin.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await admin.getByRole('button', { name: /Remove second factor and passkeys/ }).click();
  await expect(admin.getByText('second factor', { exact: true })).toBeHidden();
  await admin.context().close();
  expect((await page.request.get(`${server.url}/api/me`)).status()).toBe(401);
  await signIn(page, server);
});

/** A virtual authenticator of Chromium for this page: it stores keys and verifies its user. */
async function device(page: Page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true
  } as const;
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options });
  return {
    /** Sets whether the user is verified. */
    verified: (isUserVerified: boolean) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    keys: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials
  };
}

test('a passkey signs in without name, password and code, and can be removed', async ({ page }) => {
  const phone = await device(page);
  // Not the technician of the test before: ten sign-ins a minute for a name are the limit.
  await signIn(page, server, ADMIN);
  await page.goto(`${server.url}/console/me`);
  const keys = page.getByRole('region', { name: 'Passkeys' });
  await keys.getByRole('button', { name: 'Add a passkey' }).click();
  await keys.getByLabel('Name of this device').fill('My phone');
  await keys.getByRole('button', { name: 'Create passkey' }).click();
  await expect(keys.getByRole('status')).toContainText('“My phone” signs you in from now on.');
  // The same device already has one, and says so.
  await keys.getByRole('button', { name: 'Add a passkey' }).click();
  await keys.getByLabel('Name of this device').fill('Once more');
  await keys.getByRole('button', { name: 'Create passkey' }).click();
  await expect(keys.getByRole('alert')).toContainText('This device has a passkey for this account already.');
  await page.screenshot({ path: 'results/passkeys.png', fullPage: true });
  expect((await phone.keys()).map((k) => k.rpId)).toEqual(['localhost']);

  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in`);
  // Somebody else holds the device.
  await phone.verified(false);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('alert')).toContainText('The device gave no passkey');
  await phone.verified(true);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  await page.goto(`${server.url}/console/me`);
  await expect(keys.getByText(/last used/)).toBeVisible();

  // A response counts once: the same one again admits nobody.
  const answers: string[] = [];
  await page.route('**/api/sign-in/passkey', async (route) => {
    answers.push(route.request().postData()!);
    await route.continue();
  });
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  const again = await page.request.post(`${server.url}/api/sign-in/passkey`, {
    data: JSON.parse(answers[0]!),
    headers: { origin: server.url }
  });
  expect(again.status()).toBe(409);

  await page.goto(`${server.url}/console/me`);
  await keys.getByRole('button', { name: 'Remove the passkey My phone' }).click();
  await expect(keys.getByText('My phone', { exact: true })).toBeHidden();
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('alert')).toContainText('This passkey is not known here.');
});

/** Signs in at the provider as somebody, and returns. */
async function comeAs(page: Page, who: string) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole('link', { name: 'Sign in with Northwind' }).click();
  await page.getByPlaceholder('Enter any login').fill(who);
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('the organisation’s own sign-in, with roles from groups', async ({ page, browser }) => {
  await signIn(page, server, ADMIN);
  await page.goto(`${server.url}/console/settings/security`);
  const form = page.getByRole('form', { name: 'Sign-in' });
  await form.getByLabel('Technicians may sign in with it').check();
  await form.getByLabel('Button label').fill('Northwind');
  await form.getByLabel('Issuer').fill('http://localhost:1');
  await form.getByLabel('Client id').fill('deskside');
  await form.getByLabel(/Client secret/).fill('a secret of a test');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('alert')).toContainText('localhost cannot be reached');
  await form.getByLabel('Issuer').fill(issuer);
  for (const [n, [group, team, administrator]] of (
    [
      ['helpdesk', 'Service desk', false],
      ['it', 'IT', true]
    ] as const
  ).entries()) {
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
  // The secret is never shown again.
  expect(await (await page.request.get(`${server.url}/api/openid`)).text()).not.toContain('a secret of a test');

  const guest = await (await browser.newContext()).newPage();
  await comeAs(guest, 'grace');
  await expect(guest.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  await expect(guest.getByText('Grace Okoro')).toBeVisible();
  await expect(guest.getByRole('link', { name: 'Settings' })).toBeHidden();
  expect((await (await guest.request.get(`${server.url}/api/me`)).json()).account).toMatchObject({
    login: 'grace',
    team: 'Service desk',
    administrator: false,
    external: true
  });
  await guest.context().close();

  const admin = await (await browser.newContext()).newPage();
  await comeAs(admin, 'ivan');
  await expect(admin.getByRole('link', { name: 'Settings' })).toBeVisible();
  // The preferred name belongs to somebody else here: he gets another, and never her account.
  expect((await (await admin.request.get(`${server.url}/api/me`)).json()).account).toMatchObject({
    login: 'eva-2',
    name: 'Ivan Petrov',
    administrator: true
  });
  // Changing how others sign in needs confirmation at the provider, which asks for the password in spite of its
  // session.
  server.sql('UPDATE login SET confirmed = 0');
  await admin.goto(`${server.url}/console/settings/people`);
  await admin.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await admin.getByRole('button', { name: /Save/ }).last().click();
  const asked = admin.getByRole('dialog', { name: 'Please confirm your identity' });
  const confirmAs = async (who: string) => {
    const opened = admin.context().waitForEvent('page');
    await asked.getByRole('link', { name: /Confirm with/ }).click();
    const tab = await opened;
    await tab.getByPlaceholder('Enter any login').fill(who);
    await tab.getByPlaceholder('and password').fill('x');
    await tab.getByRole('button', { name: 'Sign-in' }).click();
    await tab.getByRole('button', { name: 'Continue' }).click();
    return tab;
  };
  // A confirmation by somebody else does not count.
  const grace = await confirmAs('grace');
  await expect(grace.getByRole('heading', { name: 'That was somebody else' })).toBeVisible();
  await grace.close();
  await expect(asked).toBeVisible();
  const ivan = await confirmAs('ivan');
  await expect(ivan.getByRole('heading', { name: 'Thank you' })).toBeVisible();
  await expect(asked).toBeHidden();
  await expect(admin.getByRole('alert')).toBeHidden();
  await admin.context().close();

  const stranger = await (await browser.newContext()).newPage();
  await comeAs(stranger, 'mallory');
  await expect(stranger.getByRole('alert')).toContainText('none of the groups');
  // A response that another browser asked for admits nobody.
  const away = await stranger.request.get(`${server.url}/sign-in/openid/start`, { maxRedirects: 0 });
  const state = new URL(away.headers()['location']!).searchParams.get('state')!;
  const other = await browser.newContext();
  const forged = await other.request.get(`${server.url}/sign-in/openid?state=${state}&code=x`, { maxRedirects: 0 });
  expect(forged.headers()['location']).toBe(`${server.url}/sign-in?problem=late`);
  // The page has its own text for that, and shows no text of others.
  await stranger.goto(`${server.url}/sign-in?problem=late`);
  await expect(stranger.getByRole('alert')).toContainText('begun elsewhere');
  await stranger.goto(`${server.url}/sign-in?problem=${encodeURIComponent('Please call +1 555 0100')}`);
  await expect(stranger.getByLabel('User name')).toBeVisible();
  await expect(stranger.getByText('555')).toBeHidden();
  await other.close();
  await stranger.context().close();
});
