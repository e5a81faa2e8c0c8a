// The support program: typed keys, another language, other scripts, another size of the screen.

import { expect, test } from '@playwright/test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, seed, generate, runProgram, signIn } from '../lib/people';
import { certificate, Desktop, Server, until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('in German, with a typed key that is wrong at first', async ({ page, request }) => {
  await signIn(page, fixture.server);
  const { key } = await generate(page, fixture.server, 1);
  const program = await runProgram(
    fixture.server,
    fixture.desktop,
    request,
    {},
    { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' }
  );
  const title = '^Northwind Support .* Hilfe$';
  await fixture.desktop.keys(title, 'ctrl+a');
  fixture.desktop.xdotool('type', '--delay', '20', '000 000 002');
  fixture.desktop.xdotool('key', 'Return');
  // The wrong key stays and can be corrected.
  await fixture.desktop.keys(title, 'ctrl+a');
  fixture.desktop.xdotool('type', '--delay', '20', key);
  fixture.desktop.xdotool('key', 'Return');
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('button', { name: 'View only' }).click();
  await fixture.desktop.window('^Eine Frage von Northwind Support$');
  fixture.desktop.screenshot('results/program-german.png');
  await fixture.desktop.keys('^Eine Frage von [^(]*$', 'Tab', 'space');
  await expect(page.getByText(`${CUSTOMER.name} does not allow it`)).toBeVisible();

  // The window's end button asks, then ends.
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await fixture.desktop.keys(title, 'alt+F4');
  await until('the program has removed itself', () => !existsSync(program.file));
});

test('characters of any script, and a screen that is resized', async ({ page, request }) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control')).toBeVisible();
  const note = join(fixture.server.data, 'letters.txt');
  fixture.desktop.open('xterm', [
    '-u8',
    '-T',
    'letters-here',
    '-geometry',
    '50x8+20+560',
    '-e',
    'sh',
    '-c',
    `cat > '${note}'`
  ]);
  const term = await fixture.desktop.window('^letters-here$');
  fixture.desktop.xdotool('windowactivate', '--sync', term);
  await page.getByLabel(/Keyboard of the customer/).focus();
  // First composed text, then keys with Shift held in several ways, then special keys.
  await page.keyboard.insertText('Grüße, 你好 – ¿qué? 10 €');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Shift+KeyA');
  await page.keyboard.down('Shift');
  await page.keyboard.press('KeyB');
  await page.keyboard.press('KeyC');
  await page.keyboard.up('Shift');
  await page.keyboard.type('dE');
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Enter');
  await expect
    .poll(() => (existsSync(note) ? readFileSync(note, 'utf8') : ''))
    .toBe('Grüße, 你好 – ¿qué? 10 €\nABCd\n');

  // Nothing stays pressed when the page loses the focus in the middle of a chord.
  await page.keyboard.down('Control');
  await page.getByLabel('Message').focus();
  await page.keyboard.up('Control');
  await page.getByLabel(/Keyboard of the customer/).focus();
  await page.keyboard.type('plain');
  await page.keyboard.press('Enter');
  await expect.poll(() => readFileSync(note, 'utf8')).toContain('plain\n');

  fixture.desktop.resize(1024, 768);
  await expect(page.getByText('The screen is now 1024 × 768')).toBeVisible();
  await expect
    .poll(() => page.locator('canvas.picture').evaluate((c: HTMLCanvasElement) => `${c.width}x${c.height}`))
    .toBe('1024x768');
});

test('a desktop that cannot be captured is reported, and the chat continues', async ({ page, request }) => {
  const bare = await Desktop.start('800x600', ['-extension', 'DAMAGE']);
  try {
    await signIn(page, fixture.server);
    const { link } = await generate(page, fixture.server, 1);
    await runProgram(fixture.server, bare, request, { link: link.split('#')[1]! });
    await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
    await page.getByRole('button', { name: 'Share screen' }).click();
    await answer(bare, 'control');
    await expect(page.getByText(/^The screen cannot be shared: /)).toBeVisible();
    await expect(page.getByText('You control')).toBeHidden();
    await until('the panel is gone', () => !bare.hasWindow('^Your screen is shared$'));
    await page.getByLabel('Message').fill('Then we write.');
    await page.getByLabel('Message').press('Enter');
    await expect(page.getByRole('listitem').filter({ hasText: 'Then we write.' })).toBeVisible();
  } finally {
    await bare.stop();
  }
});

test('HTTPS sets a secure cookie, and the program trusts only its own server', async ({ browser, playwright }) => {
  const tls = certificate();
  const secure = await Server.start([], tls);
  const request = await playwright.request.newContext({ ignoreHTTPSErrors: true });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    await seed(secure, request);
    const page = await context.newPage();
    await signIn(page, secure);
    const cookie = (await context.cookies()).find((c) => c.name === '__Host-deskside');
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Strict', path: '/' });
    const { link } = await generate(page, secure, 1);
    const form = { link: link.split('#')[1]! };
    // On a machine that does not trust the certificate the program does not connect.
    const distrustful = await runProgram(secure, fixture.desktop, request, form, { DESKSIDE_LOG: 'info' });
    let output = '';
    distrustful.stderr!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the program refuses the certificate', () => /cannot be reached.*certificate/i.test(output));
    distrustful.kill('SIGKILL');
    await runProgram(secure, fixture.desktop, request, form, { SSL_CERT_FILE: tls.certificate });
    await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  } finally {
    await context.close();
    await request.dispose();
    await secure.stop();
  }
});
