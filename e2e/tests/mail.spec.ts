// Outgoing mails: through a real mail server with STARTTLS and authentication, refused by it, and left in the outbox.

import { expect, test } from '@playwright/test';
import { ADMIN, CUSTOMER, seedWithOwnRequest, signIn } from '../lib/people';
import { certificate, Server, until } from '../lib/processes';
import { MailServer } from '../lib/smtp';

let mails: MailServer;
let withMail: Server;
let without: Server;

test.beforeAll(async ({ playwright }) => {
  mails = await MailServer.start(certificate());
  withMail = await Server.start(mails.options('Northwind <help@northwind.example>'));
  without = await Server.start();
  for (const server of [withMail, without]) await seedWithOwnRequest(server, playwright);
});
test.afterAll(async () => {
  await withMail?.stop();
  await without?.stop();
  await mails?.stop();
});

test('an administrator’s template, a real mail, and its journal entry', async ({ page }) => {
  await signIn(page, withMail, ADMIN);
  await expect(page.getByRole('link', { name: 'Outbox' })).toBeHidden();
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Mail', exact: true }).click();
  const invitation = page.getByRole('form', { name: 'Invitation' });
  await invitation.getByLabel('Message').fill('Hello {{customer}},\n\nplease open {{link}}\n\n{{technician}}');
  await invitation.getByRole('button', { name: 'Save' }).click();
  await expect(invitation.getByText('Saved.')).toBeVisible();

  await page.goto(`${withMail.url}/console/incidents/1`);
  await page.getByRole('button', { name: 'Generate session key' }).click();
  const link = await page.getByLabel('Session link', { exact: true }).inputValue();
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await expect(page.getByLabel('To')).toHaveValue(CUSTOMER.email);
  await expect(page.getByLabel('Subject')).toHaveValue(/INC-1001/);

  // A mail that the server refuses shows why, and keeps its text.
  await page.getByLabel('To').fill('nobody@customer.example');
  await page.getByRole('textbox', { name: 'Message' }).press('End');
  await page.getByRole('textbox', { name: 'Message' }).pressSequentially(' PS: call me.');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('there is no such mailbox here');
  await expect(page.getByRole('textbox', { name: 'Message' })).toHaveValue(/PS: call me\./);

  await page.getByLabel('To').fill(CUSTOMER.email);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(page.getByText(`on its way to ${CUSTOMER.email}`)).toBeVisible();
  const mail = await until('the mail arrives', () => mails.received[0]);
  expect(mail).toMatchObject({ to: [CUSTOMER.email], tls: true, authenticated: true });
  expect(mail.subject).toContain('INC-1001');
  expect(mail.parts['text/plain']).toContain(`Hello ${CUSTOMER.name},`);
  expect(mail.parts['text/plain']).toContain(link);
  expect(mail.parts['text/html']).toContain(`href="${link}"`);
  expect(mails.received).toHaveLength(1);

  await page.goto(`${withMail.url}/console/incidents/1`);
  await expect(page.getByLabel('Journal').getByText(/Mail sent: .*ada@customer\.example/)).toBeVisible();
});

test('without a mail server the mail is in the outbox, as the customer would see it', async ({ page, context }) => {
  await signIn(page, without);
  await page.goto(`${without.url}/console/incidents/1`);
  await page.getByRole('button', { name: 'Generate session key' }).click();
  const link = await page.getByLabel('Session link', { exact: true }).inputValue();
  await page.getByRole('button', { name: 'Copy the link' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
  await page.screenshot({ path: 'results/key.png' });
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByRole('link', { name: 'outbox', exact: true }).click();
  await expect(page.getByLabel('Mail', { exact: true })).toContainText(CUSTOMER.email);
  const mail = page.frameLocator('iframe');
  await expect(mail.getByText('Northwind Support').first()).toBeVisible();
  await page.screenshot({ path: 'results/outbox.png' });
  const opened = context.waitForEvent('page');
  await mail.getByRole('link', { name: link }).click();
  const customer = await opened;
  await expect(customer.getByRole('heading', { name: 'Tom Becker wants to help you' })).toBeVisible();
  await customer.screenshot({ path: 'results/invitation.png' });
});
