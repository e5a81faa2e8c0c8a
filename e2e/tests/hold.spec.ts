// Hold, transfer, reopen, ask again; two sessions at once; and everything that the customer may do alone.

import { expect, test } from '@playwright/test';
import { ADMIN, answer, CUSTOMER, generate, runProgram, signIn } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('a held session is transferred to another technician, who finds everything and asks again', async ({
  page,
  browser,
  request
}) => {
  await signIn(page, fixture.server);
  const { key } = await generate(page, fixture.server, 1);
  await runProgram(fixture.server, fixture.desktop, request, { key });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByLabel('Message').fill('One moment, please.');
  await page.getByLabel('Message').press('Enter');
  await page.getByRole('button', { name: 'View only' }).click();
  await answer(fixture.desktop, 'view');
  await expect(page.getByText('● recorded')).toBeVisible();
  await expect(page.getByText('You control')).toBeHidden();

  // A refusal of control is shown clearly; viewing stays.
  await page.getByRole('button', { name: 'Ask for control' }).click();
  await answer(fixture.desktop, 'no', false);
  await expect(page.getByText(`${CUSTOMER.name} does not allow it`)).toBeVisible();
  await expect(page.getByText('● recorded')).toBeVisible();

  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Hold session/ }).click();
  await expect(page.getByRole('heading', { name: 'The session is on hold' })).toBeVisible();
  await until('the panel is gone', () => !fixture.desktop.hasWindow('^Your screen is shared$'));
  fixture.desktop.screenshot('results/customer-held.png');

  await page.getByRole('link', { name: 'To the queue' }).click();
  await expect(page.getByText('On hold', { exact: true })).toBeVisible();
  await page.screenshot({ path: 'results/queue.png' });
  await page.getByRole('button', { name: 'Transfer' }).click();
  await page.getByRole('combobox').selectOption({ label: ADMIN.name });
  await page.getByRole('dialog').getByRole('button', { name: 'Transfer' }).click();
  await expect(page.getByText(`${ADMIN.name} ·`)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Open again' })).toBeHidden();

  const other = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await signIn(other, fixture.server, ADMIN);
  await other.getByRole('link', { name: /Queue/ }).click();
  await other.getByRole('button', { name: 'Open again' }).click();
  await expect(other.getByText('One moment, please.')).toBeVisible();
  await expect(other.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await other.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(other.getByText('You control')).toBeVisible();
  await fixture.desktop.window('^Your screen is shared$');

  // The customer's panel: pause hides the screen at once, "take back control" withdraws control.
  await fixture.desktop.keys('^Your screen is shared$', 'Tab', 'space');
  await expect(other.getByText('The customer has paused the screen.')).toBeVisible();
  await expect(other.locator('canvas.picture')).toBeHidden();
  await fixture.desktop.keys('^Your screen is shared$', 'space');
  await expect(other.getByText('The customer has paused the screen.')).toBeHidden();
  await expect(other.locator('canvas.picture')).toBeVisible();
  await fixture.desktop.keys('^Your screen is shared$', 'Tab', 'space');
  await expect(other.getByText('You control')).toBeHidden();
  await expect(other.getByText('The control of the screen has ended (by the customer)')).toBeVisible();

  // "End" ends the session from the customer's side.
  await fixture.desktop.keys('^Your screen is shared$', 'shift+Tab', 'space');
  await until('the panel is gone', () => !fixture.desktop.hasWindow('^Your screen is shared$'));
  await expect(other.getByText(`${CUSTOMER.name} has left the conversation`)).toBeVisible();
  await other.getByRole('link', { name: 'To the incident' }).click();
  const entry = other.getByRole('listitem').filter({ hasText: 'Remote support history' });
  await expect(entry).toContainText('Tom Becker, Eva Lindner');
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();
  await expect(entry.getByRole('link', { name: /Video/ })).toBeVisible();
});

test('two sessions in two tabs do not mix', async ({ page, context, browser }) => {
  await signIn(page, fixture.server);
  const second = await context.newPage();
  const tabs = [page, second];
  const customers = [];
  for (const tab of tabs) {
    const { link } = await generate(tab, fixture.server, 1);
    const customer = await (await browser.newContext()).newPage();
    await customer.goto(link);
    await customer.getByRole('button', { name: 'Chat in this browser' }).click();
    await expect(tab.getByText(/is here/)).toBeVisible();
    customers.push(customer);
  }
  for (const [i, tab] of tabs.entries()) {
    await tab.bringToFront();
    await tab.getByLabel('Message').fill(`only for session ${i}`);
    await tab.getByLabel('Message').press('Enter');
    await customers[i]!.getByLabel('Message').fill(`answer of customer ${i}`);
    await customers[i]!.getByLabel('Message').press('Enter');
    await expect(tab.getByText(`answer of customer ${i}`)).toBeVisible();
    await expect(customers[i]!.getByText(`only for session ${i}`)).toBeVisible();
  }
  for (const [i, tab] of tabs.entries()) {
    await expect(tab.getByText(`answer of customer ${1 - i}`)).toHaveCount(0);
    await expect(customers[i]!.getByText(`only for session ${1 - i}`)).toHaveCount(0);
  }
});
