// Several people: sharing, control, an expert from outside, queues, transfer with a note, succession, and
// supervision.

import { expect, test, type Browser, type Page } from '@playwright/test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, answer, CUSTOMER, differing, signIn, TECHNICIAN } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '3'] });

async function colleague(browser: Browser, who: typeof ADMIN): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await signIn(page, fixture.server, who);
  return page;
}

test('a colleague and an expert join, and one at a time has control', async ({ page, browser, request }) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();

  // Shared: the colleague finds it in the queue, sees the picture, and requests control.
  const eva = await colleague(browser, ADMIN);
  await page.getByRole('button', { name: 'People' }).click();
  await page.getByText('Share with a colleague').click();
  await page.getByLabel('Colleague').selectOption({ label: `${ADMIN.name} (${ADMIN.team}, free)` });
  await page.getByRole('button', { name: 'Ask to join' }).click();
  await expect(page.getByText(`${ADMIN.name} is asked to join.`)).toBeVisible();
  await page.screenshot({ path: 'results/people.png' });
  await page.keyboard.press('Escape');
  await eva.getByRole('link', { name: /^Queue/ }).click();
  await expect(eva.getByRole('link', { name: 'Join' })).toBeVisible();
  await eva.screenshot({ path: 'results/queue-shared.png' });
  await eva.getByRole('link', { name: 'Join' }).click();
  await expect(eva.getByText(`${TECHNICIAN.name} controls`, { exact: true })).toBeVisible();
  await expect(eva.locator('canvas.picture')).toHaveAttribute('width', '1280');
  await eva.getByRole('button', { name: 'Request control' }).click();
  await page
    .getByRole('status')
    .filter({ hasText: `${ADMIN.name} would like to control` })
    .getByRole('button', { name: 'Give control' })
    .click();
  await expect(eva.getByText('You control', { exact: true })).toBeVisible();
  await expect(page.getByText(`${ADMIN.name} controls`, { exact: true })).toBeVisible();

  // Her input reaches the desktop, his no longer.
  const note = join(fixture.home, 'note.txt');
  fixture.desktop.open('xterm', [
    '-T',
    'typing-here',
    '-geometry',
    '60x10+20+500',
    '-e',
    'sh',
    '-c',
    `cat > '${note}'`
  ]);
  const term = await fixture.desktop.window('^typing-here$');
  fixture.desktop.xdotool('windowactivate', '--sync', term);
  const middle = async (p: Page) => {
    const box = (await p.locator('canvas.picture').boundingBox())!;
    await p.mouse.click(box.x + (100 / 1280) * box.width, box.y + (580 / 800) * box.height);
  };
  await middle(page);
  await page.keyboard.type('his');
  await middle(eva);
  await eva.keyboard.type('hers');
  await eva.keyboard.press('Enter');
  await expect.poll(() => (existsSync(note) ? readFileSync(note, 'utf8') : '')).toBe('hers\n');

  // An expert with a link: named, visible to everybody, view only.
  await page.getByRole('button', { name: /^People/ }).click();
  await page.getByText('Invite an outside expert').click();
  await page.getByLabel('Name, as the customer reads it').fill('Dr. Printer');
  await page.getByRole('button', { name: 'Create link' }).click();
  const invitation = await page.getByLabel('Link for the expert').inputValue();
  await page.keyboard.press('Escape');
  const expert = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await expert.goto(invitation);
  await expect(expert.getByText('Dr. Printer')).toBeVisible();
  await expert.screenshot({ path: 'results/expert-welcome.png' });
  await expert.getByRole('button', { name: 'Join the session' }).click();
  await expect(expert.locator('canvas.picture')).toHaveAttribute('width', '1280');
  await expect(expert.getByRole('button', { name: 'Request control' })).toBeHidden();
  await expert.getByRole('textbox', { name: 'Message' }).fill('Turn it off and on.');
  await expert.getByRole('textbox', { name: 'Message' }).press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'Turn it off and on.' })).toContainText('Dr. Printer');
  await expert.screenshot({ path: 'results/expert.png' });
  fixture.desktop.screenshot('results/customer-several.png');
  // The link works once.
  const again = await browser.newPage();
  await again.goto(invitation);
  await expect(again.getByRole('heading', { name: 'This link does not work' })).toBeVisible();
  await page.getByRole('button', { name: /^People/ }).click();
  await page.getByRole('button', { name: 'Remove Dr. Printer' }).click();
  await page.keyboard.press('Escape');
  await expect(expert.getByRole('heading', { name: 'You have left this session' })).toBeVisible();

  // The owner is lost: whoever shared takes over, and the customer is not left alone.
  await page.close();
  await expect(
    eva.getByRole('listitem').filter({ hasText: `${TECHNICIAN.name} did not come back: ${ADMIN.name} takes over` })
  ).toBeVisible();
  await expect(eva.getByRole('button', { name: 'End session' })).toBeVisible();
  await eva.getByRole('button', { name: 'End session' }).click();
  await eva.getByRole('button', { name: /^Close session/ }).click();
  await expect(eva.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
  await eva.context().close();
  await expert.context().close();
});

test('a session in a team’s queue is taken, and returns when its owner is lost', async ({ page, browser, request }) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'People' }).click();
  await page.getByText('Transfer the session').click();
  await page.getByRole('combobox', { name: /^To/ }).selectOption({ label: `Team ${TECHNICIAN.team}` });
  await page.getByLabel('Note, for technicians only').fill('It is the blue printer.');
  await page.getByRole('button', { name: 'Transfer', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'The session is on hold' })).toBeVisible();
  await expect(page.getByText(`It waits in the queue of ${TECHNICIAN.team}.`)).toBeVisible();

  const eva = await colleague(browser, ADMIN);
  await eva.getByRole('link', { name: /^Queue/ }).click();
  await expect(eva).toHaveTitle(/^\(1\) Queue/);
  await eva.screenshot({ path: 'results/queue.png' });
  await eva.getByRole('button', { name: 'Next session' }).click();
  await expect(eva.getByText('It is the blue printer.')).toBeVisible();
  await expect(eva.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  fixture.desktop.screenshot('results/customer-taken.png');
  // Nobody is left to help: back into the queue that it was taken from.
  await eva.context().close();
  await page.getByRole('link', { name: /^Queue/ }).click();
  await expect(
    page.getByRole('region', { name: `Team ${TECHNICIAN.team}` }).getByRole('button', { name: 'Take' })
  ).toBeVisible();
  await page
    .getByRole('region', { name: `Team ${TECHNICIAN.team}` })
    .getByRole('button', { name: 'Take' })
    .click();
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();

  // The customer rates the session; the journal shows it.
  await page.getByRole('link', { name: 'To the incident' }).click();
  const entry = page.getByRole('listitem').filter({ hasText: 'Remote support history' }).first();
  await expect(entry).toContainText('closed by the technician');
});

test('a supervisor watches a running session, and everybody in it is told', async ({ page, browser, request }) => {
  const program = await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();

  const eva = await colleague(browser, ADMIN);
  await eva.getByRole('link', { name: /^Queue/ }).click();
  await eva.getByRole('link', { name: 'Supervise' }).click();
  await expect(eva.getByText('You are supervising this session.')).toBeVisible();
  // The supervisor sees every pixel and has no controls.
  await expect(eva.locator('canvas.picture')).toHaveAttribute('width', '1280');
  await expect.poll(() => differing(eva, fixture.desktop)).toBe(0);
  for (const name of ['Request control', 'Take control', 'Ask for clipboard', 'Send clipboard', 'End session'])
    await expect(eva.getByRole('button', { name })).toBeHidden();
  await expect(eva.getByRole('tab', { name: 'Files' })).toBeHidden();
  await expect(eva.getByLabel('Message')).toBeDisabled();
  await expect(page.getByText(`${ADMIN.name} watches as a supervisor`)).toBeVisible();
  await page.getByRole('button', { name: /^People/ }).click();
  await expect(page.getByRole('listitem').filter({ hasText: 'Supervisor, only watches' })).toContainText(ADMIN.name);
  await expect(page.getByRole('button', { name: `Remove ${ADMIN.name}` })).toBeHidden();
  await page.keyboard.press('Escape');
  await eva.screenshot({ path: 'results/supervisor.png' });
  fixture.desktop.screenshot('results/supervised-desktop.png');

  // After a reload the supervisor still only watches; then they leave, and everybody is told that, too.
  await eva.reload();
  await expect(eva.getByText('You are supervising this session.')).toBeVisible();
  await eva.getByRole('button', { name: 'Stop supervising' }).click();
  await expect(page.getByText(`${ADMIN.name} no longer watches`)).toBeVisible();
  await eva.context().close();
  // A technician without the right, or of another team, is not offered it and is refused.
  const id = page.url().match(/sessions\/([^/?]+)/)![1]!;
  const other = {
    ...ADMIN,
    login: 'max',
    name: 'Max Weber',
    email: 'max@example.org',
    team: 'Field',
    password: 'a password of a test'
  };
  const admin = await colleague(browser, ADMIN);
  const made = await admin.request.post(`${fixture.server.url}/api/users`, {
    data: { ...other, administrator: false }
  });
  expect(made.ok(), await made.text()).toBe(true);
  const max = await colleague(browser, other);
  await max.getByRole('link', { name: /^Queue/ }).click();
  await expect(max.getByRole('listitem').filter({ hasText: TECHNICIAN.name })).toBeVisible();
  await expect(max.getByRole('link', { name: 'Supervise' })).toBeHidden();
  expect((await max.request.post(`${fixture.server.url}/api/sessions/${id}/supervise`)).status()).toBe(403);
  for (const p of [max, admin]) await p.context().close();
  program.kill();
});
