// Recordings in an object store with the S3 API: stored there and read from there; and an outage of the store.

import { expect, type Page, test } from '@playwright/test';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, seedWithOwnRequest, generate, runProgram, signIn } from '../lib/people';
import { BINARIES, Desktop, end, freePort, MEMORY, Server, until } from '../lib/processes';
import { close, recorded, verified } from '../lib/remains';

const folder = mkdtempSync(join(MEMORY, 'deskside-store-'));
const objects = join(folder, 'recordings', 'desk');
const [KEY, SECRET] = ['deskside', 'a secret of a test'];
/** The session that was recorded before the store was configured. */
let first: string;
let store: ChildProcess;
let port: number;
let server: Server;
let desktop: Desktop;

async function open() {
  store = spawn(join(BINARIES, 'examples/object-store'), [folder, String(port), KEY, SECRET], {
    stdio: ['ignore', 'pipe', 'inherit']
  });
  let up = false;
  store.stdout!.on('data', () => (up = true));
  await until('the store listens', () => up);
}

test.describe.configure({ mode: 'serial' });
test.beforeAll(async ({ playwright }) => {
  mkdirSync(join(folder, 'recordings'));
  port = await freePort();
  await open();
  server = await Server.start();
  desktop = await Desktop.start();
  await seedWithOwnRequest(server, playwright);
});
test.afterAll(async () => {
  await desktop?.stop();
  await server?.stop();
  if (store) await end(store, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const kept = () => (existsSync(objects) ? readdirSync(objects).filter((n) => !n.startsWith('.')) : []);
const here = () => (existsSync(join(server.data, 'recordings')) ? readdirSync(join(server.data, 'recordings')) : []);

/** A session with a shared screen that shows something. */
async function shared(page: Page, request: Parameters<typeof runProgram>[2]): Promise<string> {
  await signIn(page, server);
  const { link } = await generate(page, server, 1);
  await runProgram(
    server,
    desktop,
    request,
    { link: link.split('#')[1]! },
    { HOME: mkdtempSync(join(folder, 'home-')) }
  );
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(desktop, 'view');
  await expect(page.locator('canvas.picture')).toBeVisible();
  desktop.open('xsetroot', ['-solid', '#30a050']);
  return page.url().match(/sessions\/([^/?]+)/)![1]!;
}
const linked = (page: Page) =>
  expect(async () => {
    await page.reload();
    const entry = page.getByRole('listitem').filter({ hasText: 'Remote support history' }).first();
    await expect(entry.getByText('linked', { exact: true })).toBeVisible({ timeout: 4_000 });
  }).toPass({ timeout: 60_000 });

test('recordings from before an object store was configured still play', async ({ page, request }, info) => {
  first = await shared(page, request);
  await close(page);
  await linked(page);
  await server.kill();
  server.options = [
    '--store-url',
    's3://recordings/desk',
    '--store-endpoint',
    `http://localhost:${port}`,
    '--store-key-id',
    KEY,
    '--store-secret',
    SECRET
  ];
  await server.run();
  await page.reload();
  const video = await recorded(page.request, server, first, info.outputPath('before.webm'));
  expect([video.complaints, video.pictures > 0, kept()]).toEqual(['', true, []]);
});

test('a recording is stored encrypted, and played, exported and deleted from the store', async ({
  page,
  request,
  browser
}, info) => {
  const session = await shared(page, request);
  await close(page);
  await linked(page);
  await until('nothing of it stays here', () => here().every((name) => name.startsWith(first)));
  expect(kept().sort()).toEqual(['activity', 'pointer', 'video'].map((what) => `${session}.${what}`));
  // The operator of the store can read nothing: neither a video's first bytes nor its name.
  expect(
    readFileSync(join(objects, `${session}.video`))
      .subarray(0, 4096)
      .includes('webm')
  ).toBe(false);
  const video = await recorded(page.request, server, session, info.outputPath('all.webm'));
  expect([video.complaints, video.pictures > 0]).toEqual(['', true]);
  // A range, as a player requests when somebody seeks.
  const { address } = await (await page.request.post(`${server.url}/api/sessions/${session}/watch`)).json();
  const whole = readFileSync(info.outputPath('all.webm'));
  const part = await page.request.get(`${server.url}${address}/recording.webm`, {
    headers: { range: 'bytes=1000-1999' }
  });
  expect([part.status(), (await part.body()).equals(whole.subarray(1000, 2000))]).toEqual([206, true]);
  const bundle = await page.request.post(`${server.url}/api/sessions/${session}/bundle`, {
    headers: { origin: server.url }
  });
  const file = info.outputPath('bundle.zip');
  writeFileSync(file, await bundle.body());
  expect(verified(server, file).whole).toBe(true);

  // Only the administrator can give the right to delete.
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, server, { login: 'eva', password: 'correct horse battery', name: '', email: '', team: '' });
  const me = await (await admin.request.get(`${server.url}/api/me`)).json();
  const { name, email, team } = me.account;
  await admin.request.put(`${server.url}/api/users/${me.account.id}`, {
    data: {
      name,
      email,
      team,
      password: '',
      administrator: true,
      disabled: false,
      may_watch: true,
      may_export: true,
      may_delete: true,
      reach: 'all'
    }
  });
  // During an outage of the store that is shown, and the deletion is finished when the store is back.
  await end(store, 'SIGKILL');
  const erase = () =>
    admin.request.post(`${server.url}/api/sessions/${session}/delete`, { data: { reason: 'the customer asks' } });
  const refused = await erase();
  expect([refused.status(), (await refused.json()).message]).toEqual([
    502,
    expect.stringContaining('the store cannot be used')
  ]);
  await open();
  await server.kill();
  await server.run();
  await until('nothing of it is in the store', () => !kept().some((name) => name.startsWith(session)));
  await page.goto(`${server.url}/console/incidents/1`);
  await expect(page.getByText(/Deleted by .*: the customer asks\./)).toBeVisible();
  await admin.context().close();
});

test('during an outage of the store sessions continue, and the recording is stored afterwards', async ({
  page,
  request
}, info) => {
  const session = await shared(page, request);
  await end(store, 'SIGKILL');
  // Nobody in the session notices: recording needs this server's disk alone.
  desktop.open('xsetroot', ['-solid', '#c09020']);
  await page.getByLabel('Message').fill('We go on.');
  await page.getByLabel('Message').press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'We go on.' })).toBeVisible();
  await expect(page.locator('canvas.picture')).toBeVisible();
  const entry = (await close(page)).first();
  await expect(async () => {
    await page.reload();
    await expect(entry.getByRole('alert')).toContainText('It could not be stored: the store cannot be used', {
      timeout: 4_000
    });
  }).toPass({ timeout: 60_000 });
  await expect(entry.getByText('waiting', { exact: true })).toBeVisible();
  await page.screenshot({ path: 'results/store-away.png' });
  // The server is killed meanwhile: the recording waits on its disk.
  await server.kill();
  await server.run();
  await open();
  await page.reload();
  await linked(page);
  const video = await recorded(page.request, server, session, info.outputPath('all.webm'));
  expect([video.complaints, video.pictures > 1]).toEqual(['', true]);
  expect(kept()).toContain(`${session}.video`);
});
