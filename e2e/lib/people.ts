// The people of the tests, and what they do in many of them.

import { type APIRequestContext, expect, type Page, type PlaywrightWorkerArgs } from '@playwright/test';
import { writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { type Desktop, type Server, until } from './processes';

export const ADMIN = {
  login: 'eva',
  name: 'Eva Lindner',
  email: 'eva@example.org',
  team: 'Service desk',
  password: 'correct horse battery'
};
export const TECHNICIAN = {
  login: 'tom',
  name: 'Tom Becker',
  email: 'tom@example.org',
  team: 'Service desk',
  password: 'staple battery horse'
};
export const CUSTOMER = { name: 'Ada Morgan', email: 'ada@customer.example', company: 'Morgan & Daughters' };

/** Creates an organisation with an administrator, a technician, a customer and an incident, over the web API. */
export async function seed(server: Server, request: APIRequestContext): Promise<{ incident: number }> {
  const ask = async (path: string, data: unknown) => {
    const answer = await request.post(`${server.url}${path}`, { data });
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true);
    return answer.status() === 204 ? null : answer.json();
  };
  const token = (await server.setupLink()).split('#')[1];
  await ask('/api/setup', { token, organisation: 'Northwind Support', user: { ...ADMIN, administrator: true } });
  const technician = await ask('/api/users', { ...TECHNICIAN, administrator: false });
  const { name, email, team } = TECHNICIAN;
  const change = await request.put(`${server.url}/api/users/${technician.id}`, {
    data: {
      name,
      email,
      team,
      password: '',
      administrator: false,
      disabled: false,
      may_watch: true,
      may_export: true,
      may_delete: false,
      reach: 'team'
    }
  });
  expect(change.ok(), await change.text()).toBe(true);
  const customer = await ask('/api/customers', CUSTOMER);
  const incident = await ask('/api/incidents', {
    customer: customer.id,
    subject: 'The printer prints nothing',
    description: 'Since this morning. The light is green.',
    status: 'new',
    priority: 'high',
    kind: 'Incident',
    owner: technician.id,
    team: 'Service desk'
  });
  return { incident: incident.id };
}

/** The same with a request context of its own. */
export async function seedWithOwnRequest(
  server: Server,
  playwright: PlaywrightWorkerArgs['playwright']
): Promise<{ incident: number }> {
  const request = await playwright.request.newContext();
  const made = await seed(server, request);
  await request.dispose();
  return made;
}

export async function signIn(page: Page, server: Server, who = TECHNICIAN) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('User name').fill(who.login);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Incidents' })).toBeVisible();
}

/** Generates a session for an incident and opens its page; returns key and link. */
export async function generate(page: Page, server: Server, incident: number): Promise<{ key: string; link: string }> {
  await page.goto(`${server.url}/console/incidents/${incident}`);
  await page.getByRole('button', { name: 'Generate session key' }).click();
  const key = (await page.getByLabel(/^Session key \d/).innerText()).replace(/\D/g, '');
  const link = await page.getByLabel('Session link', { exact: true }).inputValue();
  await page.getByLabel(/Send the link/).uncheck();
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await expect(page).toHaveURL(/\/console\/sessions\//);
  return { key, link };
}

/** Downloads the support program as the link's page does, and starts it on a desktop. */
export async function runProgram(
  server: Server,
  desktop: Desktop,
  request: APIRequestContext,
  form: Record<string, string>,
  env: Record<string, string> = {}
): Promise<ChildProcess & { file: string }> {
  const answer = await request.post(`${server.url}/download/linux`, { form });
  expect(answer.ok()).toBe(true);
  const file = join(server.data, `deskside-support-${Date.now()}`);
  writeFileSync(file, await answer.body());
  chmodSync(file, 0o755);
  return Object.assign(desktop.open(file, [], env), { file });
}

/** Answers the program's questions by keyboard: first whether the customer asked for help, then what is allowed. */
export async function answer(
  desktop: Desktop,
  how: 'no' | 'view' | 'control' | 'yes' | 'each file' | 'files',
  first = true
) {
  if (first) {
    // The title counts down the seconds for reading; then the button works.
    await desktop.keys('^A question from [^(]*$', 'Tab', 'Tab', 'space');
  }
  await desktop.keys(
    '^What may .* do',
    ...Array({ no: 1, view: 2, control: 3, yes: 2, 'each file': 2, files: 3 }[how]).fill('Tab'),
    'space'
  );
  await until('the question is gone', () => !desktop.hasWindow('^What may'));
}

/** How many pixels of the console's canvas differ from the customer's screen. */
export async function differing(page: Page, desktop: Desktop): Promise<number> {
  const truth = desktop.pixels();
  const shown = await page.locator('canvas.picture').evaluate((canvas: HTMLCanvasElement) => {
    const { width, height } = canvas;
    const rgba = canvas.getContext('2d')!.getImageData(0, 0, width, height).data;
    let text = '';
    for (let i = 0; i < rgba.length; i += 0x8000) text += String.fromCharCode(...rgba.subarray(i, i + 0x8000));
    return { width, height, rgba: btoa(text) };
  });
  if (shown.width !== truth.width || shown.height !== truth.height) return Infinity;
  const rgba = Buffer.from(shown.rgba, 'base64');
  let count = 0;
  for (let i = 0; i < truth.width * truth.height; i++) {
    if (
      rgba[4 * i] !== truth.rgb[3 * i] ||
      rgba[4 * i + 1] !== truth.rgb[3 * i + 1] ||
      rgba[4 * i + 2] !== truth.rgb[3 * i + 2]
    )
      count++;
  }
  return count;
}
