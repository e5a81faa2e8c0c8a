// The customer's computer restarts during a session. Their whole desktop ends: X server, window manager and every
// program. The new desktop starts what the autostart entries name.

import { expect, type Page, test } from '@playwright/test';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER } from '../lib/people';
import { Desktop, until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '5'] });
const AUTOSTART = '/usr/lib/x86_64-linux-gnu/openbox-xdg-autostart';
const entry = () => join(fixture.home, '.config/autostart/deskside-return.desktop');
const kept = () => join(fixture.home, '.local/state/deskside/return.json');

/** The part of the customer's system that restarts: a `systemctl` that records its arguments and may refuse. */
function system(refuses: string) {
  const folder = join(fixture.home, 'bin');
  mkdirSync(folder, { recursive: true });
  const told = join(fixture.home, 'told');
  writeFileSync(told, '');
  const no = refuses ? `echo "${refuses}" >&2; exit 1` : `echo "$*" >> '${told}'`;
  for (const name of ['systemctl', 'loginctl']) {
    writeFileSync(
      join(folder, name),
      `#!/bin/sh\nif [ "$1" = reboot ]; then ${no}; else exec /usr/bin/${name} "$@"; fi\n`
    );
    chmodSync(join(folder, name), 0o755);
  }
  return { env: { PATH: `${folder}:${process.env.PATH}` }, told: () => readFileSync(told, 'utf8').trim() };
}

/** The technician asks for a restart, and the customer allows it. */
async function allowed(page: Page) {
  await page.getByRole('tab', { name: 'System' }).click();
  await page.getByRole('button', { name: 'Restart the computer' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'yes');
  return dialog;
}

/** Ends everything on the desktop, and starts a new one where the same person signs in. */
async function restart() {
  await fixture.desktop.stop();
  fixture.desktop = await Desktop.start();
  fixture.desktop.open(AUTOSTART, [], { HOME: fixture.home });
}

test('the session waits for a restarting computer, and the program resumes once after asking', async ({
  page,
  request
}) => {
  const { env, told } = system('');
  const program = await fixture.join(page, request, env);
  await page.getByLabel('Message', { exact: true }).fill('I will restart it once.');
  await page.keyboard.press('Enter');
  const dialog = await allowed(page);
  expect(existsSync(entry())).toBe(false);
  await dialog.getByRole('button', { name: 'Restart now' }).click();
  await expect(page.getByText('You restart the computer; the session waits for it')).toBeVisible();
  await until('the system was told', () => told() === 'reboot');
  expect(readFileSync(entry(), 'utf8')).toContain(`Exec="${program.file}" --return`);
  expect(statSync(kept()).mode & 0o777).toBe(0o600);
  expect(readFileSync(entry(), 'utf8')).not.toContain(JSON.parse(readFileSync(kept(), 'utf8')).resume);

  await restart();
  await expect(page.getByText(`${CUSTOMER.name}’s computer restarts …`).first()).toBeVisible();
  await page.screenshot({ path: 'results/restarting.png' });
  const window = '^Northwind Support';
  await fixture.desktop.window(window);
  await until('it comes back only once', () => !existsSync(entry()) && !existsSync(kept()));
  fixture.desktop.screenshot('results/returned.png');
  // It is awaited for longer than a broken connection, whose grace time is 5 seconds here.
  const [{ state }] = await (await page.request.get(`${fixture.server.url}/api/sessions`)).json();
  const customer = state.participants.find((p: { role: string }) => p.role === 'customer');
  expect(customer.presence.until - Date.now()).toBeGreaterThan(10 * 60_000);
  await fixture.desktop.keys(window, 'Tab', 'space');
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await expect(page.getByText('I will restart it once.')).toBeVisible();
  // All grants have ended; the first question is asked again.
  await page.getByRole('tab', { name: 'Screen' }).click();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'view');
  await expect(page.locator('canvas.picture')).toBeVisible();
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: 'Close session' }).click();
  await expect(page.getByText('The session has ended').first()).toBeVisible();
});

test('a customer who does not want to resume ends the session', async ({ page, request }) => {
  const { env } = system('');
  await fixture.join(page, request, env);
  await (await allowed(page)).getByRole('button', { name: 'Restart now' }).click();
  await until('it is prepared', () => existsSync(kept()));
  await restart();
  await fixture.desktop.keys('^Northwind Support', 'Tab', 'Tab', 'space');
  await expect(page.getByText(`${CUSTOMER.name} has left`).first()).toBeVisible();
  await expect(page.getByText('The session has ended').first()).toBeVisible();
});

test('a system that does not restart reports why, and nothing is left behind', async ({ page, request }) => {
  const { env } = system('Interactive authentication required.');
  const program = await fixture.join(page, request, env);
  const dialog = await allowed(page);
  await dialog.getByRole('button', { name: 'Restart now' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Interactive authentication required.');
  expect([existsSync(entry()), existsSync(kept())]).toEqual([false, false]);
  await dialog.getByRole('button', { name: 'Not now' }).click();
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  // Started as if after a restart but without a session, the program ends silently.
  const late = fixture.desktop.open(program.file, ['--return'], { HOME: fixture.home });
  await until('it has ended', () => late.exitCode === 0);
});
