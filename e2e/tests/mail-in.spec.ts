// Incoming mails: a real mailbox (Dovecot), mails that open incidents, answers that find theirs, and rejected mails.

import { expect, type Page, test } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mailbox, MAILBOX } from '../lib/mailbox';
import { ADMIN, CUSTOMER, seedWithOwnRequest, signIn } from '../lib/people';
import { certificate, Server, until } from '../lib/processes';
import { MailServer } from '../lib/smtp';

const tls = certificate();
let mails: MailServer;
let server: Server;
let mailbox: Mailbox;

// The tests are one story: each continues where the one before has ended.
test.describe.configure({ mode: 'serial' });
test.beforeAll(async ({ playwright }) => {
  mails = await MailServer.start(tls);
  mailbox = await Mailbox.start(tls);
  server = await Server.start(mails.options(`Northwind <${MAILBOX.user}>`));
  await seedWithOwnRequest(server, playwright);
});
test.afterAll(async () => {
  await server?.stop();
  await mailbox?.stop();
  await mails?.stop();
});

const mail = (headers: Record<string, string>, body: string) => {
  const all = {
    From: `${CUSTOMER.name} <${CUSTOMER.email}>`,
    To: MAILBOX.user,
    'Message-ID': `<${Math.random()}@customer.example>`,
    ...headers
  };
  return `${Object.entries(all)
    .map(([k, v]) => `${k}: ${v}\n`)
    .join('')}\n${body}\n`;
};
const setUp = async (page: Page) => {
  await signIn(page, server, ADMIN);
  await page.goto(`${server.url}/console/settings/mail`);
  return page.getByRole('form', { name: 'Mail in' });
};
const arrived = () => until('every mail was read', () => mailbox.unseen() === 0);

test('setting up a mailbox shows what is wrong and counts waiting mails', async ({ page }) => {
  mailbox.deliver(
    mail(
      { Subject: 'The scanner smells burnt', 'Message-ID': '<first@customer.example>' },
      'Since this morning.\nPlease help!'
    )
  );
  const form = await setUp(page);
  const test = form.getByRole('button', { name: 'Test' });
  await form.getByLabel('Server').fill(`localhost:${mailbox.port}`);
  await form.getByLabel('User name').fill(MAILBOX.user);
  await form.getByLabel(/^Password/).fill('wrong');
  await test.click();
  await expect(form.getByRole('alert')).toContainText('An encrypted connection to localhost failed');
  await form.getByText('Certificate authority to trust').click();
  await form.getByLabel(/^PEM/).fill(readFileSync(tls.certificate, 'utf8'));
  await test.click();
  await expect(form.getByRole('alert')).toContainText('The mailbox says: Authentication failed.');
  await form.getByLabel(/^Password/).fill(MAILBOX.password);
  await form.getByLabel('Folder').fill('Nowhere');
  await test.click();
  await expect(form.getByRole('alert')).toContainText("Mailbox doesn't exist: Nowhere");
  await form.getByLabel('Folder').fill('INBOX');
  await form.getByLabel(/Use STARTTLS/).check();
  await form.getByLabel('Server').fill(`localhost:${mailbox.plainPort}`);
  await test.click();
  await expect(form.getByRole('status')).toContainText('The mailbox answers; there is one unread mail.');
  await form.getByLabel(/Use STARTTLS/).uncheck();
  await form.getByLabel('Server').fill(`localhost:${mailbox.port}`);
  await form.getByLabel('Type of new incidents').fill('Request');
  await form.getByLabel('Team of new incidents').fill('Service desk');
  await form.getByLabel('Read this mailbox').check();
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(form.getByRole('status')).toContainText('Saved.');
  expect(await (await page.request.get(`${server.url}/api/mailbox`)).text()).not.toContain(MAILBOX.password);
  await expect(
    form.getByRole('row', { name: /The scanner smells burnt/ }).getByRole('link', { name: 'its incident' })
  ).toBeVisible();
  await expect(form.getByText(/^Last checked just now/)).toBeVisible();
  await page.screenshot({ path: 'results/mail-in.png', fullPage: true });

  await form.getByRole('link', { name: 'its incident' }).click();
  await expect(page.getByRole('heading', { name: 'The scanner smells burnt' })).toBeVisible();
  const facts = page.getByRole('region', { name: 'Incident' });
  // The customer is found by the address; nobody owns the incident yet.
  for (const text of [CUSTOMER.name, CUSTOMER.company, 'New', 'Request', 'Service desk', 'Nobody'])
    await expect(facts).toContainText(text);
  await expect(page.getByRole('list', { name: 'Journal' }).getByText('Please help!')).toBeVisible();
});

test('the customer’s answer to a technician finds its incident, with attachments', async ({ page }) => {
  await signIn(page, server);
  await page.getByRole('link', { name: /The scanner smells burnt/ }).click();
  await page.getByRole('button', { name: 'Write a mail' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('To')).toHaveValue(CUSTOMER.email);
  await expect(dialog.getByLabel('Subject')).toHaveValue('[INC-1002] The scanner smells burnt');
  await dialog.getByLabel('Message').fill('Please pull its plug.');
  await dialog.getByRole('button', { name: 'Send' }).click();
  await expect(dialog).toBeHidden();
  const ours = await until('our mail is sent', () => mails.received.find((m) => m.subject.includes('INC-1002')));
  expect(ours.references).toBe('<first@customer.example>');
  await page.getByRole('button', { name: 'Resolve' }).click();
  await expect(page.getByText('Resolved').first()).toBeVisible();

  const picture = readFileSync(join(import.meta.dirname, '../../console/static/icon-192.png'));
  const boundary = 'b1';
  const parts = [
    `--${boundary}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGezogen. Es raucht nicht mehr – danke!\n\nOn Monday Northwind wrote:\n> Please pull its plug.\n`,
    `--${boundary}\nContent-Type: image/png; name="Foto.png"\nContent-Disposition: attachment; filename*=utf-8''B%C3%BCro%2F..%2FFoto.png\nContent-Transfer-Encoding: base64\n\n${picture.toString('base64').replace(/(.{76})/g, '$1\n')}\n`,
    `--${boundary}\nContent-Type: text/html; name=bad.html\nContent-Disposition: attachment; filename=bad.html\n\n<script>alert(1)</script>\n--${boundary}--`
  ];
  // The subject is empty now; the mail that it answers identifies the incident.
  mailbox.deliver(
    mail(
      {
        Subject: 'Re: ganz anders',
        'In-Reply-To': ours.id,
        References: `<first@customer.example> ${ours.id}`,
        'MIME-Version': '1.0',
        'Content-Type': `multipart/mixed; boundary=${boundary}`
      },
      parts.join('')
    )
  );
  await arrived();
  await page.reload();
  const journal = page.getByRole('list', { name: 'Journal' });
  const letter = journal.getByRole('listitem').filter({ hasText: 'Es raucht nicht mehr' });
  await expect(letter).toBeVisible();
  await expect(letter.getByText('> Please pull its plug.')).toBeHidden();
  await letter.getByText('Quoted text').click();
  await expect(letter.getByText('> Please pull its plug.')).toBeVisible();
  await expect(journal.getByText('status: resolved → in progress, because a mail arrived')).toBeVisible();
  await expect(page.getByText('In progress').first()).toBeVisible();
  await page.screenshot({ path: 'results/letter.png', fullPage: true });
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    letter.getByRole('link', { name: /Foto\.png/ }).click()
  ]);
  expect(readFileSync(await download.path())).toEqual(picture);
  expect(download.suggestedFilename()).toBe('Foto.png');
  // Markup of a stranger is a file to download, never a page of this server.
  const bad = await page.request.get(
    `${server.url}${await letter.getByRole('link', { name: /bad\.html/ }).getAttribute('href')}`
  );
  expect([bad.headers()['content-type'], bad.headers()['content-disposition']]).toEqual([
    'application/octet-stream',
    expect.stringMatching(/^attachment/)
  ]);
  const [original] = await Promise.all([
    page.waitForEvent('download'),
    letter.getByRole('link', { name: 'Original mail' }).click()
  ]);
  expect(readFileSync(await original.path(), 'utf8')).toContain('Subject: Re: ganz anders');
});

test('a colleague’s subject finds the incident, a stranger becomes a customer, and a repeated mail counts once', async ({
  page
}) => {
  await signIn(page, server);
  mailbox.deliver(
    mail({ Subject: 'Once more', From: `"Morgan, Ada" <${CUSTOMER.email.toUpperCase()}>` }, 'The same customer.')
  );
  const twice = mail({ Subject: 'AW: [inc-1001] Drucker', From: 'colleague@customer.example' }, 'It prints now.');
  mailbox.deliver(twice);
  mailbox.deliver(twice);
  // A number that a stranger has guessed finds nothing.
  mailbox.deliver(
    mail({ Subject: 'Re: [INC-1001] Guessed', From: 'mallory@evil.example' }, 'Please send me all of it.')
  );
  mailbox.deliver(
    mail(
      {
        Subject: '=?utf-8?B?44OX44Oq44Oz44K/44O8?=',
        From: '=?utf-8?Q?Bj=C3=B6rk_=22B=22?= <bjoerk@is.example>',
        'Content-Type': 'text/html; charset=utf-8'
      },
      '<p>Bitte <b>helfen</b> Sie.</p><script>x()</script>'
    )
  );
  await arrived();
  await page.goto(`${server.url}/console/incidents/1`);
  const journal = page.getByRole('list', { name: 'Journal' });
  await expect(journal.getByText('It prints now.')).toHaveCount(1);
  await expect(journal.getByText('colleague <colleague@customer.example>')).toBeVisible();
  await expect(journal.getByText('Please send me all of it.')).toHaveCount(0);
  await page.getByRole('link', { name: 'Incidents' }).first().click();
  // All spellings of an address are the same customer.
  await expect(page.getByRole('row', { name: /Once more/ })).toContainText(CUSTOMER.name);
  await page.getByRole('link', { name: 'プリンター' }).click();
  await expect(page.getByText(/Björk/).first()).toBeVisible();
  await expect(page.getByRole('list', { name: 'Journal' }).getByText('Bitte helfen Sie.')).toBeVisible();
});

test('automatic, list, bounced and own mails are rejected, and the administrator reads why', async ({ page }) => {
  const form = await setUp(page);
  const incidents = async () =>
    (await (await page.request.get(`${server.url}/api/incidents?resolved=true`)).json()).length;
  const before = await incidents();
  mailbox.deliver(
    mail(
      { Subject: 'Out of office', 'Auto-Submitted': 'auto-replied', 'In-Reply-To': mails.received[0]!.id },
      'I am away.'
    )
  );
  mailbox.deliver(mail({ Subject: 'Digest', 'List-Id': '<news.example>' }, 'News.'));
  mailbox.deliver(
    mail({ Subject: 'Undelivered', From: 'MAILER-DAEMON@customer.example', 'Return-Path': '<>' }, 'No such user.')
  );
  mailbox.deliver(mail({ Subject: 'An echo', From: MAILBOX.user }, 'Echo.'));
  mailbox.deliver('Subject: From nobody\n\nHello\n');
  await arrived();
  await page.reload();
  const rejected = (subject: string) => form.getByRole('row', { name: new RegExp(subject) }).getByText(/rejected/);
  await expect(rejected('Out of office')).toContainText('it was sent automatically');
  await expect(rejected('Digest')).toContainText('it was sent to a mailing list');
  await expect(rejected('Undelivered')).toContainText('could not be delivered');
  await expect(rejected('An echo')).toContainText('Deskside sent it');
  await expect(rejected('From nobody')).toContainText('it has no sender');
  await page.screenshot({ path: 'results/kept-out.png', fullPage: true });
  expect(await incidents()).toBe(before);
  // Two machines that answer each other: from the thirty-first mail within an hour on they are rejected.
  for (let n = 0; n < 31; n++)
    mailbox.deliver(
      mail({ Subject: 'Ping', From: 'robot@loop.example', 'In-Reply-To': '<first@customer.example>' }, 'Pong.')
    );
  await arrived();
  await page.reload();
  await expect(rejected('Ping')).toContainText('too many mails came from this address');
});

test('a folder is named as people see it', async ({ page }) => {
  const form = await setUp(page);
  await form.getByLabel('Folder').fill('Störungen');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('alert')).toContainText(
    "The folder “Störungen” cannot be opened. The mailbox says: Mailbox doesn't exist: Störungen"
  );
  mailbox.makeFolder('St&APY-rungen');
  await form.getByRole('button', { name: 'Test' }).click();
  await expect(form.getByRole('status')).toContainText('The mailbox answers; there is no unread mail');
});

test('an outage of the mailbox is shown, and mails are fetched when it is back', async ({ page }) => {
  const form = await setUp(page);
  await mailbox.halt();
  await expect(form.getByText(/Retried every 30 seconds/)).toBeVisible({ timeout: 20_000 });
  mailbox.deliver(mail({ Subject: 'Written meanwhile' }, 'Is anybody there?'));
  await mailbox.run();
  // Saving polls at once, without waiting for the half minute.
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(
    form.getByRole('row', { name: /Written meanwhile/ }).getByRole('link', { name: 'its incident' })
  ).toBeVisible({ timeout: 20_000 });
});

test('a too large mail is noted and stays; on a nearly full disk mails wait in the mailbox', async ({ page }) => {
  await signIn(page, server);
  mailbox.deliver(mail({ Subject: 'My whole disk' }, 'x'.repeat(99).concat('\n').repeat(270_000)));
  await arrived();
  await page.goto(`${server.url}/console/incidents`);
  await page.getByRole('link', { name: 'My whole disk' }).click();
  await expect(
    page
      .getByRole('list', { name: 'Journal' })
      .getByText('This mail is too large to import. It is still in the mailbox.')
  ).toBeVisible();

  // No space on the server's disk: that is shown, and the mail stays unread; then there is space.
  const { options } = server;
  await server.kill();
  server.options = [...options, '--disk-floor-mib', '999999999'];
  await server.run();
  mailbox.deliver(mail({ Subject: 'It waits' }, 'For room.'));
  const form = await setUp(page);
  await expect(form.getByText(/A mail could not be stored: the server's disk is nearly full/)).toBeVisible({
    timeout: 20_000
  });
  expect(mailbox.unseen()).toBe(1);
  await server.kill();
  server.options = options;
  await server.run();
  await arrived();
  await page.reload();
  await expect(form.getByRole('row', { name: /It waits/ }).getByRole('link', { name: 'its incident' })).toBeVisible();
});
