// Sign-in with names and passwords of the organisation's directory: a real slapd.

import { expect, test } from '@playwright/test';
import { Directory } from '../lib/directory';
import { ADMIN, seedWithOwnRequest, signIn } from '../lib/people';
import { Server } from '../lib/processes';

let server: Server;
let directory: Directory;
test.beforeAll(async ({ playwright }) => {
  [server, directory] = [await Server.start(), await Directory.start()];
  await seedWithOwnRequest(server, playwright);
});
test.afterAll(async () => {
  await server?.stop();
  await directory?.stop();
});

test('people of the directory sign in with the rights of their groups', async ({ page, browser, request }) => {
  await signIn(page, server, ADMIN);
  await page.goto(`${server.url}/console/settings/security`);
  const form = page.getByRole('form', { name: 'Directory' });
  await form.getByLabel(/Technicians may sign in/).check();
  await form.getByLabel('Address', { exact: true }).fill(directory.url);
  await form.getByLabel('Bind DN').fill('cn=admin,dc=northwind,dc=example');
  await form.getByLabel(/Bind password/).fill('wrong');
  await form.getByLabel('Base DN for people').fill('ou=people,dc=northwind,dc=example');
  await form.getByLabel('Base DN for groups').fill('ou=groups,dc=northwind,dc=example');
  await form.getByRole('button', { name: 'Add a group' }).click();
  await form.getByLabel('Group', { exact: true }).fill('helpdesk');
  await form.getByLabel('Team', { exact: true }).fill('Service desk');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('alert')).toContainText('rejects the account that searches');
  await form.getByLabel(/Bind password/).fill('sesame');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('status')).toContainText('The directory answers.');
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(form.getByRole('status')).toContainText('Saved.');
  expect(await (await page.request.get(`${server.url}/api/directory`)).text()).not.toContain('sesame');

  const lena = await (await browser.newContext()).newPage();
  await signIn(lena, server, { ...ADMIN, login: 'lena', password: 'lenas password' });
  const { account } = await (await lena.request.get(`${server.url}/api/me`)).json();
  expect(account).toMatchObject({
    login: 'lena',
    name: 'Lena Vogt',
    email: 'lena@northwind.example',
    team: 'Service desk',
    external: true,
    administrator: false
  });
  // Confirmation: her password of the directory, and no other.
  const confirm = async (password: string) =>
    (await lena.request.post(`${server.url}/api/me/confirm`, { data: { by: 'password', password } })).status();
  server.sql('UPDATE login SET confirmed = 0');
  expect([await confirm('not hers'), await confirm(''), await confirm('lenas password')]).toEqual([422, 422, 204]);
  expect((await (await lena.request.get(`${server.url}/api/me/confirm`)).json()).confirmed).toBe(true);
  await lena.context().close();

  const attempt = async (login: string, password: string) =>
    (await request.post(`${server.url}/api/sign-in`, { data: { login, password } })).status();
  expect(await attempt('lena', 'lenas password'), 'once more').toBe(204);
  expect(await attempt('lena', 'not hers')).toBe(401);
  // A bind without a password is anonymous and would succeed: it is never tried.
  expect(await attempt('lena', '')).toBe(401);
  expect(await attempt('omar', 'omars password'), 'in no group that a rule names').toBe(403);
  expect(await attempt('*', 'lenas password'), 'a name is no pattern').toBe(401);
  expect(await attempt('lena)(uid=*', 'lenas password')).toBe(401);
  // Accounts with a password of their own work even when the directory is down.
  await directory.stop();
  expect(await attempt(ADMIN.login, ADMIN.password)).toBe(204);
  expect(await attempt('lena', 'lenas password')).toBe(502);
});
