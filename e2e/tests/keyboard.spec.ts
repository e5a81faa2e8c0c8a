// The whole story with the keyboard alone, on both sides; held keys and when they are released; keys on another
// keyboard layout.

import { expect, test, type Page } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { held } from '../lib/held';
import { answer, CUSTOMER, runProgram, TECHNICIAN } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '60'], proxied: true });

/** Presses Tab until something of this name has the focus. */
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
  await page.goto(`${fixture.server.url}/sign-in`);
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

  const program = await runProgram(fixture.server, fixture.desktop, request, { key });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await tabTo(page, /^Share screen/);
  await page.keyboard.press('Enter');
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  // Into the screen, and out of it again with the keys that it names.
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
  await expect(page.getByRole('listitem').filter({ hasText: 'Remote support history' })).toContainText(
    'closed by the technician'
  );
  await fixture.desktop.keys('Northwind Support', ...Array(7).fill('Tab'), 'space');
  await expect.poll(() => program.exitCode, { message: 'the program is closed' }).not.toBeNull();
});

const keyboard = (page: Page) => page.getByLabel(/Keyboard of the customer/);
const NOTHING = { keys: [], buttons: [] };
/** Left Shift and the left button, in X's numbers. */
const [SHIFT, LEFT] = [50, 1];

/** Shares and controls the screen, and focuses a terminal that writes its input into a file. */
async function controlled(page: Page, name: string, script = 'stty -icanon -echo; exec cat'): Promise<() => string> {
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  await expect(page.locator('canvas.picture')).toHaveAttribute('width', '1280');
  const file = join(fixture.home, `${name}.txt`);
  writeFileSync(file, '');
  fixture.desktop.open('xterm', [
    '-u8',
    '-T',
    name,
    '-geometry',
    '60x8+20+560',
    '-e',
    'sh',
    '-c',
    `${script} > '${file}'`
  ]);
  fixture.desktop.xdotool('windowactivate', '--sync', await fixture.desktop.window(`^${name}$`));
  await keyboard(page).focus();
  return () => readFileSync(file, 'utf8');
}

/** Presses Enter and returns everything that was typed since the last call. */
async function typed(page: Page, file: () => string): Promise<string> {
  await page.keyboard.press('Enter');
  const lines = ENTERS.get(file) ?? 0;
  ENTERS.set(file, lines + 1);
  await expect.poll(() => file().split('\n').length - 1).toBe(lines + 1);
  return file().split('\n')[lines]!;
}
const ENTERS = new Map<() => string, number>();

/** Holds the left button over the terminal, and Shift. */
async function hold(page: Page, { shift = true } = {}) {
  await keyboard(page).focus();
  const box = (await page.locator('canvas.picture').boundingBox())!;
  await page.mouse.move(box.x + (100 / 1280) * box.width, box.y + (640 / 800) * box.height);
  await page.mouse.down();
  if (shift) await page.keyboard.down('Shift');
  await expect.poll(() => held(fixture.desktop.display)).toEqual({ keys: shift ? [SHIFT] : [], buttons: [LEFT] });
}

/** The technician releases both. */
async function letGo(page: Page) {
  await page.mouse.up();
  await page.keyboard.up('Shift');
}

const nothingIsHeld = () => expect.poll(() => held(fixture.desktop.display)).toEqual(NOTHING);

test('held keys are released with the connection, a silent server, the page, a pause, the control and the program', async ({
  page,
  request
}) => {
  const program = await fixture.join(page, request);
  const file = await controlled(page, 'held-here');

  // Only the technician's connection is cut; held keys are released meanwhile.
  await hold(page);
  await page.keyboard.down('a');
  await expect.poll(file).toBe('a');
  fixture.network.cut('page');
  await nothingIsHeld();
  const lost = page.getByText('The connection to the server was lost.');
  await expect(lost).toBeVisible();
  await page.keyboard.up('a');
  await letGo(page);
  fixture.network.restore('page');
  await expect(lost).toBeHidden();
  await keyboard(page).focus();
  expect(await typed(page, file)).toBe('a');
  await nothingIsHeld();

  // The server is silent. A modifier that is still held is pressed again afterwards; a button stays released.
  await hold(page);
  await page.keyboard.down('b');
  await expect.poll(file).toBe('a\nb');
  process.kill(fixture.server.pid, 'SIGSTOP');
  await nothingIsHeld();
  process.kill(fixture.server.pid, 'SIGCONT');
  await expect.poll(() => held(fixture.desktop.display)).toEqual({ keys: [SHIFT], buttons: [] });
  await page.keyboard.up('b');
  await letGo(page);
  await nothingIsHeld();
  expect(await typed(page, file)).toBe('b');

  // The page is hidden.
  await hold(page);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await nothingIsHeld();
  await page.evaluate(() => Reflect.deleteProperty(document, 'hidden'));
  await letGo(page);

  // The customer pauses, resumes and withdraws control.
  const panel = '^Your screen is shared$';
  await hold(page, { shift: false });
  await fixture.desktop.keys(panel, 'Tab', 'space');
  await nothingIsHeld();
  await letGo(page);
  await fixture.desktop.keys(panel, 'space');
  await expect(page.getByText('The customer has paused the screen.')).toBeHidden();
  await hold(page, { shift: false });
  await fixture.desktop.keys(panel, 'Tab', 'space');
  await nothingIsHeld();
  await letGo(page);
  await expect(page.getByText('You control', { exact: true })).toBeHidden();

  // The page is closed, and the program ends.
  await page.getByRole('button', { name: 'Ask for control' }).click();
  await answer(fixture.desktop, 'control', false);
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  await hold(page);
  program.kill('SIGTERM');
  await nothingIsHeld();
});

/** Key events as browsers of other systems send them. */
interface Made {
  type?: 'keydown' | 'keyup';
  code: string;
  key: string;
  ctrlKey?: boolean;
  altKey?: boolean;
  metaKey?: boolean;
  modifierAltGraph?: boolean;
}

async function make(page: Page, ...events: Made[]) {
  await keyboard(page).evaluate((element, events) => {
    for (const { type = 'keydown', ...rest } of events)
      element.dispatchEvent(new KeyboardEvent(type, { bubbles: true, cancelable: true, ...rest }));
  }, events);
}

test('keys produce the technician’s characters under any lock and layout', async ({ page, request }) => {
  await fixture.join(page, request);
  const file = await controlled(page, 'keys-here');

  // A Mac reports no release while its command key is down.
  const meta = { code: 'MetaLeft', key: 'Meta' };
  await make(page, { ...meta, metaKey: true }, { code: 'KeyC', key: 'c', metaKey: true }, { ...meta, type: 'keyup' });
  expect(await typed(page, file)).toBe('');

  // Windows presses Control with AltGr.
  const [control, altGr] = [
    { code: 'ControlLeft', key: 'Control' },
    { code: 'AltRight', key: 'AltGraph' }
  ];
  const both = { ctrlKey: true, altKey: true, modifierAltGraph: true };
  await make(page, { ...control, ctrlKey: true }, { ...altGr, ...both });
  for (const [code, key] of [
    ['KeyQ', '@'],
    ['Digit7', '{'],
    ['Minus', '\\']
  ] as const)
    await make(page, { code, key, ...both }, { type: 'keyup', code, key, ...both });
  await make(page, { ...control, type: 'keyup' }, { ...altGr, type: 'keyup' });
  expect(await typed(page, file)).toBe('@{\\');

  // Locks on the customer's side.
  fixture.desktop.xdotool('key', 'Caps_Lock');
  await page.keyboard.type('secret');
  await page.keyboard.press('Shift+KeyA');
  expect(await typed(page, file)).toBe('secretA');
  fixture.desktop.xdotool('key', 'Caps_Lock', 'Num_Lock');
  await page.keyboard.type('12');
  await page.keyboard.press('Numpad4');
  await page.keyboard.press('NumpadDecimal');
  fixture.desktop.xdotool('key', 'Num_Lock');
  expect(await typed(page, file)).toBe('12\x1b[D\x1b[3~');

  // The customer's layout changes.
  execFileSync('setxkbmap', ['de'], { env: fixture.desktop.env });
  await page.keyboard.type('zyx/[');
  expect(await typed(page, file)).toBe('zyx/[');
  execFileSync('setxkbmap', ['us'], { env: fixture.desktop.env });
  await page.keyboard.type('zyx/[');
  expect(await typed(page, file)).toBe('zyx/[');
  await nothingIsHeld();
});

test('text of any script inserted at once arrives complete in a terminal and in a GTK program', async ({
  page,
  request
}) => {
  await fixture.join(page, request);
  const file = await controlled(page, 'text-here');
  const texts = [
    '打印机不工作了请您帮忙看一下谢谢',
    'Žluťoučký kůň pěl ďábelské ódy; größer, Übermut, weiß, „Ärger“ – 5 €.',
    'Съешь же ещё этих мягких французских булок, да выпей чаю. ΑΒΓ αβγ'
  ];
  for (const text of texts) {
    await page.keyboard.insertText(text);
    expect(await typed(page, file)).toBe(text);
  }
  const note = join(fixture.home, 'note.txt');
  writeFileSync(note, '');
  fixture.desktop.open('mousepad', ['--disable-server', note]);
  fixture.desktop.xdotool('windowactivate', '--sync', await fixture.desktop.window('note.txt'));
  await keyboard(page).focus();
  for (const text of texts) {
    await page.keyboard.insertText(text);
    await page.keyboard.press('Enter');
  }
  await page.keyboard.press('Control+s');
  await expect
    .poll(() => readFileSync(note, 'utf8'), { timeout: 30_000 })
    .toBe(texts.map((text) => `${text}\n`).join(''));
});
