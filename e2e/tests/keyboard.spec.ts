// The whole story with the keyboard alone, on both sides.

import { expect, test, type Page } from '@playwright/test';
import { answer, CUSTOMER, runProgram, TECHNICIAN } from '../lib/people';
import { stage } from '../lib/stage';

const at = stage();

/** Presses Tab until the focus is on something of that name. */
async function tabTo(page: Page, name: RegExp) {
  const focused = () =>
    page.evaluate(() => {
      const e = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLElement> };
      return [e?.getAttribute('aria-label'), e?.labels?.[0]?.innerText, e?.innerText].filter(Boolean).join(' ').trim();
    });
  for (let n = 0; n < 80; n++) {
    await page.keyboard.press('Tab');
    if (name.test(await focused())) return;
  }
  throw new Error(`no way by Tab to ${name}; the focus is on “${await focused()}”`);
}

test('from signing in to the journal without a mouse', async ({ page, request }) => {
  await page.goto(`${at.server.url}/sign-in`);
  await tabTo(page, /^User name/);
  await page.keyboard.type(TECHNICIAN.login);
  await tabTo(page, /^Password/);
  await page.keyboard.type(TECHNICIAN.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: 'INC-1001' })).toBeVisible();
  await tabTo(page, /INC-1001/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Generate session key' })).toBeVisible();
  await tabTo(page, /^Generate session key/);
  await page.keyboard.press('Enter');
  const key = (await page.getByLabel(/^Session key \d/).innerText()).replace(/\D/g, '');
  await tabTo(page, /^Send the link/);
  await page.keyboard.press('Space');
  await tabTo(page, /^OK$/);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/console\/sessions\//);

  const program = await runProgram(at.server, at.desktop, request, { key });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await tabTo(page, /^Share screen/);
  await page.keyboard.press('Enter');
  await answer(at.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  // Into the screen, and out of it again by the way that it names.
  await tabTo(page, /Keyboard of the customer/);
  await page.keyboard.press('Control+Shift+Escape');
  await tabTo(page, /^Message/);
  await page.keyboard.type('All by keyboard.');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'All by keyboard.' })).toBeVisible();
  await tabTo(page, /^End session/);
  await page.keyboard.press('Enter');
  await tabTo(page, /^Close session/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
  await tabTo(page, /^To the incident/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'Remote support history' })).toContainText('closed by the technician');
  await at.desktop.keys('Northwind Support', ...Array(7).fill('Tab'), 'space');
  await expect.poll(() => program.exitCode, { message: 'the program is closed' }).not.toBeNull();
});
