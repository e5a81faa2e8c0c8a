// Every page: accessible, light and dark, wide and narrow, with the keyboard alone, installable.

import { expect, type Locator, test, type Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ADMIN, CUSTOMER, seedWithOwnRequest, generate, signIn } from '../lib/people';
import { Server } from '../lib/processes';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let server: Server;

test.beforeAll(async ({ playwright }) => {
  server = await Server.start();
  await seedWithOwnRequest(server, playwright);
});
test.afterAll(async () => server?.stop());

/** The violations that axe finds on the current page. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const axe = (
      window as unknown as {
        axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      }
    ).axe;
    const { violations } = await axe.run({ resultTypes: ['violations'], iframes: false });
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`);
  });
}

for (const scheme of ['light', 'dark'] as const) {
  test(`every page is accessible, ${scheme}`, async ({ browser }) => {
    test.setTimeout(240_000);
    const context = await browser.newContext({
      colorScheme: scheme,
      viewport: { width: 1440, height: 900 },
      bypassCSP: true,
      locale: 'en-GB'
    });
    const page = await context.newPage();
    const found: string[] = [];
    const look = async (name: string, on = page) => {
      for (const width of [1440, 800]) {
        await on.setViewportSize({ width, height: 900 });
        found.push(...(await violations(on)).map((v) => `${name} at ${width}: ${v}`));
        expect(
          await on.evaluate(() => document.documentElement.scrollWidth - innerWidth),
          `${name} fits into ${width} pixels`
        ).toBeLessThanOrEqual(0);
        await on.screenshot({ path: `results/pages/${name}-${scheme}-${width}.png` });
      }
    };
    await page.goto(server.url);
    await expect(page.getByRole('heading', { name: 'Northwind Support' })).toBeVisible();
    await look('front');
    await page.goto(`${server.url}/sign-in`);
    await look('sign-in');
    await page.goto(`${server.url}/setup#x`);
    await look('setup');
    await signIn(page, server, ADMIN);
    await expect(page.getByRole('link', { name: 'INC-1001' })).toBeVisible();
    await look('incidents');
    await page.getByRole('button', { name: 'New incident' }).click();
    await look('new-incident');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'INC-1001' }).click();
    await page.getByLabel('Note').fill('Called back: the paper tray was open.');
    await page.getByRole('button', { name: 'Add note' }).click();
    await expect(page.getByText('the paper tray was open')).toBeVisible();
    await look('incident');
    await page.getByRole('button', { name: 'Generate session key' }).click();
    await expect(page.getByLabel(/^Session key \d/)).toBeVisible();
    await look('key');
    await page.keyboard.press('Escape');
    const { link } = await generate(page, server, 1);
    await look('session-waiting');
    const customer = await context.newPage();
    await customer.goto(link);
    await expect(customer.getByRole('button', { name: 'Chat in this browser' })).toBeVisible();
    await look('invitation', customer);
    await customer.getByRole('button', { name: 'Chat in this browser' }).click();
    await customer.getByLabel('Message').fill('Nothing comes out of it.');
    await customer.getByLabel('Message').press('Enter');
    await expect(page.getByText('Nothing comes out of it.')).toBeVisible();
    await look('customer-chat', customer);
    await look('session-chat');
    for (const panel of ['Files', 'Commands', 'System'] as const) {
      await page.getByRole('tab', { name: panel }).click();
      await look(`session-${panel.toLowerCase()}`);
    }
    await page.getByRole('tab', { name: 'Screen' }).click();
    await page.getByRole('button', { name: 'People' }).click();
    await page.getByText('Invite an outside expert').click();
    await page.getByLabel('Name, as the customer reads it').fill('Dr. Printer');
    await page.getByRole('button', { name: 'Create link' }).click();
    await look('people');
    const invitation = await page.getByLabel('Link for the expert').inputValue();
    await page.keyboard.press('Escape');
    const expert = await context.newPage();
    await expert.goto(invitation);
    await expect(expert.getByRole('button', { name: 'Join the session' })).toBeVisible();
    await look('expert-invitation', expert);
    await expert.getByRole('button', { name: 'Join the session' }).click();
    await expect(expert.getByRole('textbox', { name: 'Message' })).toBeEnabled();
    await look('expert', expert);
    await expert.close();
    await page.getByRole('button', { name: 'End session' }).click();
    await look('end-session');
    await page.getByRole('button', { name: /^Close session/ }).click();
    await expect(customer.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
    await look('customer-ended', customer);
    await page.goto(`${server.url}/console/queue`);
    await expect(page.getByRole('heading', { name: 'Queue' })).toBeVisible();
    await look('queue');
    await page.goto(`${server.url}/console/messages`);
    await page.getByRole('button', { name: 'New message' }).click();
    await page.getByLabel('Title').fill('Greeting');
    await page.getByLabel('Text').fill('Hello {{customer}}.');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByRole('button', { name: 'Edit Greeting' })).toBeVisible();
    await look('messages');
    await page.getByRole('button', { name: 'Remove Greeting' }).click();
    await page.goto(`${server.url}/console/outbox`);
    await expect(page.getByRole('heading', { name: 'Outbox' })).toBeVisible();
    await look('outbox');
    const settings = async (name: string, there: Locator) => {
      await page.goto(`${server.url}/console/settings/${name}`);
      await expect(there).toBeVisible();
    };
    await settings('organisation', page.getByRole('form', { name: 'Organisation' }));
    await look('settings-organisation');
    await settings('people', page.getByRole('heading', { name: 'Technicians' }));
    await look('settings-people');
    await page.getByRole('button', { name: 'Edit Tom Becker' }).click();
    await expect(page.getByLabel('Watch recordings')).toBeChecked();
    await look('technician');
    await page.keyboard.press('Escape');
    await settings('permissions', page.getByRole('form', { name: 'Default permissions' }));
    await page.getByRole('button', { name: 'Add a role' }).click();
    await page.getByRole('button', { name: 'Add a policy' }).click();
    await page.getByRole('combobox', { name: /^Technician/ }).selectOption('Tom Becker');
    await expect(page.getByRole('row', { name: /^Files yes/ })).toBeVisible();
    await look('settings-permissions');
    await settings('mail', page.getByRole('form', { name: 'Mail in' }));
    await expect(page.getByRole('form', { name: 'Invitation' })).toBeVisible();
    await look('settings-mail');
    await settings('recording', page.getByRole('form', { name: 'Recording' }));
    await page.getByRole('button', { name: 'Add a rule' }).click();
    await look('settings-recording');
    await settings('security', page.getByRole('form', { name: 'Directory' }));
    await expect(page.getByRole('region', { name: 'Keys' }).getByRole('listitem')).toHaveCount(1);
    await look('settings-security');
    await settings('integrations', page.getByRole('region', { name: 'Webhooks' }));
    await expect(page.getByRole('form', { name: 'BeyondTrust' })).toBeVisible();
    await look('settings-integrations');
    await page.goto(`${server.url}/console/me`);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await look('account');
    server.sql('UPDATE login SET confirmed = 0');
    await page.getByRole('button', { name: 'Set up' }).click();
    await expect(page.getByLabel('Your password')).toBeVisible();
    await look('confirm');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.goto(`${server.url}/confirmed#done`);
    await look('confirmed');
    await page.goto(`${server.url}/console/incidents/1`);
    await page.getByRole('button', { name: 'Write a mail' }).click();
    await look('write-a-mail');
    await page.keyboard.press('Escape');
    await page.goto(`${server.url}/console/past?q=nothing`);
    await expect(page.getByRole('listitem').locator('mark').first()).toHaveText('Nothing');
    await look('past');
    await page.goto(`${server.url}/console/reports`);
    await expect(page.getByRole('row', { name: /Tom Becker|Eva Lindner/ }).first()).toBeVisible();
    await look('reports');
    await page.goto(`${server.url}/console/incidents/1`);
    await page.getByRole('link', { name: 'Transcript' }).first().click();
    await expect(page.getByLabel('Transcript')).toContainText('Nothing comes out of it.');
    await look('history');
    await page.goto(`${server.url}/no-such-page`);
    await look('not-found');
    expect(found).toEqual([]);
    await context.close();
  });
}

test('an incident is created, found, assigned, edited and resolved, and its journal says so', async ({ page }) => {
  await signIn(page, server);
  await page.getByRole('button', { name: 'New incident' }).click();
  await page.getByRole('button', { name: 'New customer' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Jonas Weber');
  await page.getByLabel('Mail address').fill('jonas@weberbau.example');
  await page.getByLabel('Company').fill('Weber Bau');
  await page.getByLabel('Subject').fill('The plotter draws circles as eggs');
  await page.getByLabel('Owner').selectOption({ label: 'Nobody' });
  await page.getByRole('button', { name: 'Create incident' }).click();
  await expect(page.getByRole('heading', { name: 'The plotter draws circles as eggs' })).toBeVisible();
  await page.getByRole('button', { name: 'Assign to me' }).click();
  await expect(page.getByText('owner: nobody → Tom Becker')).toBeVisible();
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await page.getByLabel('Priority').selectOption({ label: 'Urgent' });
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('priority: normal → urgent')).toBeVisible();

  await page.getByRole('link', { name: 'Incidents' }).first().click();
  await page.getByLabel('Search incidents').fill('weber');
  await expect(page.getByRole('row')).toHaveCount(2);
  await expect(page).toHaveURL(/q=weber/);
  await page.getByLabel('Search incidents').fill('INC-1001');
  await expect(page.getByRole('row').nth(1)).toContainText(CUSTOMER.name);
  await page.getByLabel('Search incidents').fill('');
  await page.getByRole('button', { name: 'Mine' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'plotter' })).toBeVisible();
  await page.getByRole('link', { name: 'The plotter draws circles as eggs' }).click();
  await page.getByRole('button', { name: 'Resolve' }).click();
  await expect(page.getByText('status: new → resolved')).toBeVisible();
  await page.getByRole('link', { name: 'Incidents' }).first().click();
  await expect(page.getByRole('row').filter({ hasText: 'plotter' })).toHaveCount(0);
  await page.getByLabel('Include resolved').check();
  await expect(page.getByRole('row').filter({ hasText: 'plotter' })).toBeVisible();
});

test('the settings have pages of their own, and old addresses lead there', async ({ page }) => {
  await signIn(page, server, ADMIN);
  for (const [old, now] of [
    ['settings', 'settings/organisation'],
    ['rules', 'settings/permissions'],
    ['integrations', 'settings/integrations']
  ]) {
    await page.goto(`${server.url}/console/${old}`);
    await expect(page).toHaveURL(`${server.url}/console/${now}`);
  }
  const pages = page.getByRole('navigation', { name: 'Settings' });
  await expect(pages.getByRole('link', { name: 'Integrations' })).toHaveAttribute('aria-current', 'page');
  await pages.getByRole('link', { name: 'People' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Technicians' })).toBeVisible();
  await expect(pages.getByRole('link', { name: 'People' })).toHaveAttribute('aria-current', 'page');

  // Saving one page leaves the settings of the others unchanged.
  await pages.getByRole('link', { name: 'Organisation' }).click();
  const organisation = page.getByRole('form', { name: 'Organisation' });
  await organisation.getByLabel('Session key lifetime (minutes)').fill('20');
  await organisation.getByRole('button', { name: 'Save' }).click();
  await expect(organisation.getByRole('status')).toHaveText('Saved.');
  const stored = await (await page.request.get(`${server.url}/api/settings`)).json();
  expect(stored).toMatchObject({ organisation: 'Northwind Support', key_minutes: 20, record: true });
  await organisation.getByLabel('Session key lifetime (minutes)').fill('15');
  await organisation.getByRole('button', { name: 'Save' }).click();
  await expect(organisation.getByRole('status')).toHaveText('Saved.');
});

test('the console works with the keyboard alone', async ({ page }) => {
  await page.goto(`${server.url}/sign-in`);
  await expect(page.getByLabel('User name')).toBeFocused();
  await page.keyboard.type(ADMIN.login);
  await page.keyboard.press('Tab');
  await page.keyboard.type(ADMIN.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Incidents' })).toBeVisible();
  const to = async (name: RegExp) => {
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      const text = await page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''
      );
      if (name.test(text.trim())) return;
    }
    throw new Error(`${name} is not reached by the Tab key`);
  };
  await to(/^INC-1001$/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Generate session key' })).toBeVisible();
  await to(/^Generate session key$/);
  await page.keyboard.press('Enter');
  await expect(page.getByLabel(/^Session key \d/)).toBeVisible();
  await to(/^Copy the key$/);
  await page.keyboard.press('Escape');
  await expect(page.getByLabel(/^Session key \d/)).toBeHidden();
});

test('the console is installable: its manifest has existing icons', async ({ request }) => {
  const manifest = await (await request.get(`${server.url}/manifest.webmanifest`)).json();
  expect(manifest.display).toBe('standalone');
  for (const icon of manifest.icons) {
    const answer = await request.get(`${server.url}${icon.src}`);
    expect(answer.headers()['content-type'], icon.src).toBe(icon.type);
  }
  const page = await request.get(server.url);
  expect(page.headers()['content-security-policy']).toContain("script-src 'self'");
  expect(await page.text()).not.toMatch(/<script>/);
});
