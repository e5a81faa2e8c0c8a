// Roles and policies: edited in the console, queried there, and applied in a session.

import { expect, type Page, test } from '@playwright/test';
import { ADMIN, answer, CUSTOMER, signIn, TECHNICIAN } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '20'] });

async function verdict(page: Page, right: string): Promise<string> {
  return (await page.getByRole('row', { name: new RegExp(`^${right} (yes|no)`) }).innerText()).replace(/\s+/g, ' ');
}

test('a session follows role and policy, and names the reason for a refusal', async ({ page, browser, request }) => {
  const eva = await (await browser.newContext()).newPage();
  await signIn(eva, fixture.server, ADMIN);
  await eva.getByRole('link', { name: 'Settings', exact: true }).click();
  await eva.getByRole('link', { name: 'Roles and policies' }).click();
  await expect(eva.getByText('There are no roles')).toBeVisible();
  await eva.getByRole('button', { name: 'Add a role' }).click();
  const role = eva.getByRole('region', { name: 'Roles' }).getByRole('group');
  await role.getByLabel('Name').fill('Trainee');
  await role.getByLabel('Control the screen').uncheck();
  await role.getByLabel('Commands').uncheck();
  await eva.getByRole('button', { name: 'Add a policy' }).click();
  const policy = eva.getByRole('region', { name: 'Policies' }).getByRole('group').first();
  await policy.getByLabel('Name').fill('Ordinary');
  await policy.getByLabel('Team').selectOption('Service desk');
  await policy.getByLabel('Incident type').fill('Incident');
  await policy.getByLabel('Files').uncheck();
  await policy.getByLabel('Commands').uncheck();
  await policy.getByLabel('Record shared screens').uncheck();
  await eva.getByRole('button', { name: 'Save roles and policies' }).click();
  await expect(eva.getByText('Saved. Applies to new sessions.')).toBeVisible();

  // Two with one name are refused, and nothing is saved.
  await eva.getByRole('button', { name: 'Add a role' }).click();
  await eva.getByRole('region', { name: 'Roles' }).getByRole('group').last().getByLabel('Name').fill('Trainee');
  await eva.getByRole('button', { name: 'Save roles and policies' }).click();
  await expect(eva.getByRole('alert')).toHaveText('The name Trainee is used twice.');
  await eva.getByRole('button', { name: 'Remove the role Trainee' }).last().click();

  await eva.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'People' }).click();
  await eva.getByRole('button', { name: `Edit ${TECHNICIAN.name}` }).click();
  await eva.getByLabel('Role in sessions').selectOption('Trainee');
  await eva.getByRole('button', { name: 'Save', exact: true }).last().click();
  await expect(eva.getByRole('row', { name: new RegExp(TECHNICIAN.name) })).toContainText('Trainee');

  // What may he do, and why?
  await eva.getByRole('link', { name: 'Roles and policies' }).click();
  await eva.getByRole('combobox', { name: /^Technician/ }).selectOption(TECHNICIAN.name);
  await eva.getByRole('combobox', { name: /^Policy/ }).selectOption('Ordinary');
  await expect(eva.getByText(`${TECHNICIAN.name} has the role “Trainee”`)).toBeVisible();
  expect(await verdict(eva, 'See the screen')).toBe('See the screen yes Yes, if the customer allows it.');
  expect(await verdict(eva, 'Control the screen')).toBe(
    'Control the screen no No: the role “Trainee” does not give it.'
  );
  expect(await verdict(eva, 'Files')).toBe('Files no No: the policy “Ordinary” does not allow it.');
  expect(await verdict(eva, 'Commands')).toBe(
    'Commands no No: the role “Trainee” does not give it, and the policy “Ordinary” does not allow it.'
  );
  await eva.screenshot({ path: 'results/rules.png', fullPage: true });
  // A role that somebody has cannot be deleted.
  await eva.getByRole('button', { name: 'Remove the role Trainee' }).click();
  await eva.getByRole('button', { name: 'Save roles and policies' }).click();
  await expect(eva.getByRole('alert')).toHaveText(`Trainee is still the role of ${TECHNICIAN.name}.`);

  // In the session: what is not allowed names the reason, what is allowed works, and nothing is recorded.
  await fixture.join(page, request);
  await page.getByRole('tab', { name: 'Files' }).click();
  await expect(page.getByText('Not now: the session’s policy does not allow this.')).toBeVisible();
  await page.getByRole('tab', { name: 'Commands' }).click();
  await expect(page.getByRole('button', { name: 'Ask the customer' })).toBeDisabled();
  await page.getByRole('tab', { name: 'Screen' }).click();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await expect(page.getByText('You asked to see the screen')).toBeVisible();
  await answer(fixture.desktop, 'view');
  await expect(page.getByRole('button', { name: 'Ask for control' })).toHaveAttribute(
    'title',
    'your role does not allow this'
  );
  await expect(page.locator('canvas.picture')).toHaveAttribute('width', '1280');
  await expect(page.getByText('The screen is shared', { exact: false }).first()).not.toContainText('recorded');

  // A colleague without a role joins and may take the control that the customer grants: the policy allows it.
  await page.getByRole('button', { name: 'People' }).click();
  await page.getByText('Share with a colleague').click();
  await page.getByLabel('Colleague').selectOption({ index: 1 });
  await page.getByRole('button', { name: 'Ask to join' }).click();
  await expect(page.getByText(`${ADMIN.name} is asked to join.`)).toBeVisible();
  await page.keyboard.press('Escape');
  const id = page.url().split('/').at(-1)!;
  await eva.goto(`${fixture.server.url}/console/sessions/${id}`);
  await expect(eva.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await eva.getByRole('button', { name: 'Ask for control' }).click();
  await answer(fixture.desktop, 'control', false);
  await expect(eva.getByText('You control', { exact: true })).toBeVisible();
  await expect(page.getByText(`${ADMIN.name} controls`, { exact: false }).first()).toBeVisible();
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await page.getByRole('link', { name: 'To the incident' }).click();
  await expect(page.getByRole('listitem').filter({ hasText: 'Remote support history' }).first()).toContainText(
    'closed by the technician'
  );
  await eva.context().close();
});
