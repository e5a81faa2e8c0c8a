// The technician's view of the screen: full screen with the keyboard, a separate window, sharper or smoother; and
// notifications of waiting sessions.

import { expect, type Page, test } from '@playwright/test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, answer, differing, generate, signIn, TECHNICIAN } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '20'] });
const keyboard = (page: Page) => page.getByLabel(/Keyboard of the customer/);
const full = (page: Page) => page.evaluate(() => document.fullscreenElement !== null);

test('full screen with the keyboard, a separate window, and a sharper or smoother picture', async ({
  page,
  context,
  request
}) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  const note = join(fixture.home, 'typed.txt');
  fixture.desktop.open('xterm', ['-T', 'typed-here', '-geometry', '50x8+20+560', '-e', 'sh', '-c', `cat > '${note}'`]);
  fixture.desktop.xdotool('windowactivate', '--sync', await fixture.desktop.window('^typed-here$'));
  const typed = () => (existsSync(note) ? readFileSync(note, 'utf8') : '');

  // In full screen the browser's own keys go to the customer's computer: the test reads which ones are locked.
  await page.evaluate(() => {
    const keys = (navigator as unknown as { keyboard: { lock(): Promise<void> } }).keyboard;
    const lock = keys.lock.bind(keys);
    keys.lock = () => ((document.documentElement.dataset.locked = 'yes'), lock());
  });
  await page.getByRole('button', { name: 'Full screen' }).click();
  await expect.poll(() => full(page)).toBe(true);
  await expect(page.locator('html')).toHaveAttribute('data-locked', 'yes');
  await expect(keyboard(page)).toBeFocused();
  await page.keyboard.type('in full\n');
  await expect.poll(typed).toBe('in full\n');
  await page.screenshot({ path: 'results/full-screen.png' });
  await page.getByRole('button', { name: 'Leave full screen (hold Esc)' }).click();
  await expect.poll(() => full(page)).toBe(false);

  const opened = context.waitForEvent('page');
  await page.getByRole('button', { name: 'Own window' }).click();
  const own = await opened;
  await expect(own.locator('canvas.picture')).toHaveAttribute('width', '1280');
  await until('every pixel is there', async () => (await differing(own, fixture.desktop)) === 0);
  await keyboard(own).focus();
  await own.keyboard.type('beside\n');
  await expect.poll(typed).toBe('in full\nbeside\n');
  await own.screenshot({ path: 'results/own-window.png' });
  await own.close();

  // Both choices end in the same exact picture: they differ in motion.
  for (const choice of ['true', 'false']) {
    await page.getByLabel('Picture').selectOption(choice);
    fixture.desktop.open('xsetroot', ['-solid', choice === 'true' ? '#306030' : '#603030']);
    await until('every pixel is there', async () => (await differing(page, fixture.desktop)) === 0);
  }
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
});

test('a waiting session notifies those who want it', async ({ page, browser }) => {
  const context = await browser.newContext({ permissions: ['notifications'] });
  const eva = await context.newPage();
  // A page without a screen cannot show notifications: they are recorded instead.
  await eva.addInitScript(() => {
    const shown: string[] = [];
    class Written {
      static permission = 'granted';
      constructor(title: string, about: { body: string }) {
        shown.push(`${title}: ${about.body}`);
      }
    }
    Object.assign(window, { Notification: Written, shown });
    Object.defineProperty(document, 'hidden', { get: () => true });
  });
  const shown = () => eva.evaluate(() => (window as unknown as { shown: string[] }).shown);
  await signIn(eva, fixture.server, ADMIN);
  await eva.getByRole('link', { name: /^Queue/ }).click();
  const notifications = eva.getByLabel('Sound and notification when a session waits');
  await expect(notifications).not.toBeChecked();
  await notifications.check();
  await signIn(page, fixture.server, TECHNICIAN);
  await generate(page, fixture.server, fixture.incident);
  await page.getByRole('button', { name: 'People' }).click();
  await page.getByText('Transfer the session').click();
  await page.getByRole('combobox', { name: /^To/ }).selectOption({ label: 'Everybody' });
  await page.getByRole('button', { name: 'Transfer', exact: true }).click();
  await expect
    .poll(shown)
    .toEqual([expect.stringMatching(/^A session is waiting: INC-\d+ The printer prints nothing$/)]);
  // One notification is enough, and the setting is kept.
  await eva.reload();
  await expect(notifications).toBeChecked();
  await expect(eva).toHaveTitle(/^\(1\) Queue/);
  expect(await shown()).toEqual([]);
  await context.close();
});
