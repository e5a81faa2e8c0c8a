// Changing how people sign in asks for confirmation: a browser that was left open is not enough.

import { expect, type Page, test } from '@playwright/test';
import { ADMIN, seedWithOwnRequest, signIn, TECHNICIAN } from '../lib/people';
import { Server } from '../lib/processes';

let server: Server;
test.beforeAll(async ({ playwright }) => {
  server = await Server.start();
  await seedWithOwnRequest(server, playwright);
});
test.afterAll(() => server?.stop());

/** Makes every sign-in older. */
const later = () => server.sql('UPDATE login SET confirmed = 0');
const asked = (page: Page) => page.getByRole('dialog', { name: 'Please confirm your identity' });

test('a dialog asks for the password, and the change then happens', async ({ page }) => {
  await signIn(page, server, ADMIN);
  later();
  await page.goto(`${server.url}/console/me`);
  await page.getByRole('button', { name: 'Set up' }).click();
  await asked(page).getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('alert')).toContainText('Please confirm your identity');
  await expect(page.getByRole('img', { name: 'A QR code with the secret' })).toBeHidden();

  await page.getByRole('button', { name: 'Set up' }).click();
  await asked(page).getByLabel('Your password').fill('not this one');
  await asked(page).getByRole('button', { name: 'Confirm' }).click();
  await expect(asked(page).getByRole('alert')).toContainText('The password is not right.');
  await page.screenshot({ path: 'results/confirm.png' });
  await asked(page).getByLabel('Your password').fill(ADMIN.password);
  await page.keyboard.press('Enter');
  await expect(asked(page)).toBeHidden();
  await expect(page.getByRole('img', { name: 'A QR code with the secret' })).toBeVisible();

  // Within ten minutes: further changes need no confirmation.
  await page.goto(`${server.url}/console/settings/people`);
  await page.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await page.getByRole('button', { name: /Save/ }).last().click();
  await expect(asked(page)).toBeHidden();

  // Ten minutes later they do.
  later();
  await page.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await page.getByRole('button', { name: /Save/ }).last().click();
  await asked(page).getByLabel('Your password').fill(ADMIN.password);
  await asked(page).getByRole('button', { name: 'Confirm' }).click();
  await expect(asked(page)).toBeHidden();
  await expect(page.getByRole('alert')).toBeHidden();
});
