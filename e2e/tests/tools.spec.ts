// The technician's tools beside the screen: files, clipboard, shell, system information, drawing, notes. Real files
// compared byte by byte, a real shell, a real clipboard.

import { expect, test, type Page } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exchangePictures } from '../lib/clipboard';
import { answer, CUSTOMER, differing, runProgram } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '30'] });

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function inSession(page: Page, request: Parameters<typeof runProgram>[2]) {
  page.on('console', (m) => m.type() === 'error' && console.log('page:', m.text()));
  page.on('pageerror', (e) => console.log('page:', e.message));
  await fixture.join(page, request);
}

/** The entries of a ZIP archive; for those named note.txt with permissions, year and content. */
function unpacked(file: string): string[] {
  const script = `
import sys, zipfile
zip = zipfile.ZipFile(sys.argv[1])
for i in sorted(zip.infolist(), key=lambda i: i.filename):
    about = f" {i.external_attr >> 16 & 0o777:o} {i.date_time[0]} {zip.read(i).decode()}" if i.filename.endswith("note.txt") else ""
    print(i.filename + about)`;
  return execFileSync('python3', ['-c', script, file]).toString().trim().split('\n');
}

test('files are transferred both ways, byte by byte, and errors are shown', async ({ page, request }, info) => {
  const folder = join(fixture.home, 'Work ü 文');
  mkdirSync(join(folder, 'inner'), { recursive: true });
  const large = randomBytes(9_000_001);
  writeFileSync(join(folder, 'large.bin'), large);
  writeFileSync(join(folder, 'empty.txt'), '');
  writeFileSync(join(folder, 'inner/note.txt'), 'hello', { mode: 0o755 });
  utimesSync(join(folder, 'inner/note.txt'), 1_556_000_000, 1_556_000_000);
  for (const name of [Buffer.from('gr\xfcn.txt', 'latin1'), Buffer.from('gr\xf6n.txt', 'latin1')]) {
    writeFileSync(Buffer.concat([Buffer.from(join(folder, 'inner/')), name]), name);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), name);
  }
  symlinkSync('/etc', join(folder, 'out'));
  await inSession(page, request);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'files');
  await expect(page.getByLabel("Folder on the customer's computer")).toHaveValue(fixture.home);
  await page.getByRole('button', { name: 'Work ü 文' }).click();
  await expect(page.getByRole('button', { name: 'large.bin' })).toBeVisible();
  await page.screenshot({ path: 'results/files.png' });
  // In a narrow window everything is still reachable.
  await page.setViewportSize({ width: 800, height: 900 });
  for (const name of ['New folder', 'Send files …']) await page.getByRole('button', { name }).click({ trial: true });
  await page.screenshot({ path: 'results/files-narrow.png' });
  await page.setViewportSize({ width: 1440, height: 900 });

  // Downloaded: a large file, an empty one, and a folder as an archive.
  for (const [name, saved] of [
    ['large.bin', 'large.bin'],
    ['empty.txt', 'empty.txt'],
    ['inner', 'inner.zip']
  ] as const) {
    const download = page.waitForEvent('download');
    await page.getByLabel(`Choose ${name}`).check();
    await page.getByRole('button', { name: 'Download' }).click();
    const got = await download;
    expect(got.suggestedFilename()).toBe(saved);
    const bytes = readFileSync(await got.path());
    if (saved === name) expect(sha(bytes)).toBe(sha(readFileSync(join(folder, name))));
    else
      expect(unpacked(await got.path())).toEqual([
        'inner/',
        'inner/RENAMED.txt',
        'inner/gr%F6n.txt',
        'inner/gr%FCn.txt',
        'inner/note.txt 755 2019 hello'
      ]);
    await page.getByLabel(`Choose ${name}`).uncheck();
  }

  // A name that is not Unicode is listed and marked; its file is downloaded and deleted like any other.
  const odd = page.getByRole('row').filter({ hasText: 'gr\uFFFDn.txt' });
  await expect(odd.getByText('(unusual name)')).toHaveCount(2);
  const fetched = page.waitForEvent('download');
  await odd.first().getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Download' }).click();
  expect((await fetched).suggestedFilename()).toBe('gr_n.txt');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(odd).toHaveCount(1);

  // Uploaded: several, one whose name is taken, an empty one, a name in another script.
  const mine = info.outputPath('mine');
  mkdirSync(mine, { recursive: true });
  const sent = randomBytes(5_000_000);
  writeFileSync(join(mine, 'large.bin'), sent);
  writeFileSync(join(mine, 'пустой.txt'), '');
  await page.getByLabel('Files to send').setInputFiles([join(mine, 'large.bin'), join(mine, 'пустой.txt')]);
  const transfers = page.getByLabel('Transfers');
  await expect(transfers.getByText(/done: .*large \(2\)\.bin/)).toBeVisible();
  await expect(transfers.getByText(/done: .*пустой\.txt/)).toBeVisible();
  expect(sha(readFileSync(join(folder, 'large (2).bin')))).toBe(sha(sent));
  expect(sha(readFileSync(join(folder, 'large.bin')))).toBe(sha(large));
  expect(readFileSync(join(folder, 'пустой.txt')).length).toBe(0);

  // A new folder, renamed, deleted: each is in the conversation.
  await page.getByRole('button', { name: 'New folder' }).click();
  await page.getByLabel('Name', { exact: true }).fill('fresh');
  await page.getByRole('button', { name: 'Create folder' }).click();
  await page.getByLabel('Choose fresh').check();
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByLabel('Name', { exact: true }).fill('older');
  await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
  await page.getByLabel('Choose older').check();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByLabel('Choose older')).toBeHidden();
  expect(existsSync(join(folder, 'older'))).toBe(false);
  await expect(page.getByRole('listitem').filter({ hasText: 'You have deleted older' })).toBeVisible();

  // A missing permission is reported, and nothing half-written is left.
  await page.getByLabel("Folder on the customer's computer").fill('/proc');
  await page.getByLabel("Folder on the customer's computer").press('Enter');
  await expect(page.getByRole('button', { name: 'version' })).toBeVisible();
  await page.getByLabel('Files to send').setInputFiles([join(mine, 'large.bin')]);
  await expect(transfers.getByText(/no permission|disk is full|no such file/i)).toBeVisible();
  expect(readdirSync(folder).filter((n) => n.startsWith('.deskside'))).toEqual([]);

  // Withdrawn on the customer's panel: at once.
  await fixture.desktop.window('^What is allowed$');
  fixture.desktop.screenshot('results/customer-files.png');
});

test('a shell, its recording, and its end when the customer withdraws it', async ({ page, request }) => {
  await inSession(page, request);
  await page.getByRole('tab', { name: 'Commands' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'yes');
  const terminal = page.getByLabel('Command shell');
  await terminal.click();
  await page.keyboard.type('echo "ro""und $((6*7)) ü" > made.txt; cat made.txt; tput cols\n');
  await expect(terminal).toContainText('round 42 ü');
  await until('the file is there', () => existsSync(join(fixture.home, 'made.txt')));
  expect(readFileSync(join(fixture.home, 'made.txt'), 'utf8')).toBe('round 42 ü\n');
  await page.screenshot({ path: 'results/shell.png' });
  // Another panel and back: the shell is still the same.
  await page.getByRole('tab', { name: 'Screen' }).click();
  await page.getByRole('tab', { name: 'Commands' }).click();
  await expect(terminal).toContainText('round 42 ü');
  await page.keyboard.type('sleep 1000 &\n');
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await expect(page.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
  await page.getByRole('link', { name: 'To the incident' }).click();
  await page.getByRole('link', { name: 'Transcript' }).first().click();
  await page.getByRole('button', { name: /Play the command shell/ }).click();
  await expect(page.getByLabel('Recording of the command shell')).toContainText('round 42 ü');
  await page.screenshot({ path: 'results/shell-played.png' });
});

test('system information, an ended process, the clipboard, notes and prepared messages', async ({
  page,
  request,
  context
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await inSession(page, request);
  await page.getByRole('tab', { name: 'System' }).click();
  const sleeper = fixture.desktop.open('sleep', ['98765']);
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'yes');
  await expect(page.getByRole('heading', { name: /^Processes \(\d+\)/ })).toBeVisible();
  await page.getByLabel('Filter processes').fill('98765');
  await page.screenshot({ path: 'results/system.png' });
  await page.getByRole('button', { name: `End sleep ${sleeper.pid}` }).click();
  await page.getByRole('button', { name: 'End the process' }).click();
  await until('the process has ended', () => sleeper.signalCode !== null);
  await expect(page.getByRole('listitem').filter({ hasText: 'ended the process sleep' })).toBeVisible();

  await page.getByRole('button', { name: 'Ask for clipboard' }).click();
  await answer(fixture.desktop, 'yes', false);
  await page.evaluate(() => navigator.clipboard.writeText('from the technician: ü € 文'));
  await page.getByRole('button', { name: 'Send clipboard' }).click();
  await expect(page.getByText('Your clipboard is on the customer’s computer now.')).toBeVisible();
  expect(execFileSync('xclip', ['-selection', 'clipboard', '-o'], { env: fixture.desktop.env }).toString()).toBe(
    'from the technician: ü € 文'
  );
  execFileSync('sh', ['-c', 'printf "from the customer" | xclip -selection clipboard -i >/dev/null 2>&1'], {
    env: fixture.desktop.env
  });
  await page.getByRole('button', { name: 'Fetch clipboard' }).click();
  await expect(page.getByText('The customer’s clipboard is in yours now.')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('from the customer');

  await exchangePictures(page, fixture.desktop, fixture.home);

  // In sync: copied on one side, available on the other a moment later.
  await page.getByLabel('Sync clipboard').check();
  execFileSync('sh', ['-c', 'printf "copied by the customer" | xclip -selection clipboard -i >/dev/null 2>&1'], {
    env: fixture.desktop.env
  });
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('copied by the customer');
  await page.evaluate(() => navigator.clipboard.writeText('copied by the technician'));
  await expect
    .poll(() => execFileSync('xclip', ['-selection', 'clipboard', '-o'], { env: fixture.desktop.env }).toString())
    .toBe('copied by the technician');
  await page.getByLabel('Sync clipboard').uncheck();

  // A message template, found by its letters; and a note that the customer does not get.
  await page.request.post(`${fixture.server.url}/api/canned`, {
    data: { title: 'Greeting', text: 'Hello {{customer}}, I am {{technician}}.', team: '' },
    headers: { origin: fixture.server.url }
  });
  await page.reload();
  await page.getByRole('textbox', { name: 'Message' }).fill('/greet');
  await expect(page.getByRole('option', { name: /Greeting/ })).toBeVisible();
  await page.getByRole('textbox', { name: 'Message' }).press('Enter');
  await expect(page.getByRole('textbox', { name: 'Message' })).toHaveValue(`Hello ${CUSTOMER.name}, I am Tom Becker.`);
  await page.getByRole('textbox', { name: 'Message' }).press('Enter');
  await expect(page.getByRole('listitem').filter({ hasText: 'I am Tom Becker' })).toBeVisible();
  await page.getByLabel('Private note').check();
  await page.getByLabel('Note for technicians only').fill('The cable was loose.');
  await page.getByLabel('Note for technicians only').press('Enter');
  await expect(page.getByText('Note by Tom Becker')).toBeVisible();
  fixture.desktop.screenshot('results/customer-tools.png');

  // A file in the chat, from the technician; the customer's program saves it with a click.
  await page
    .getByLabel('File for the conversation')
    .setInputFiles({ name: 'Anleitung ü.txt', mimeType: 'text/plain', buffer: Buffer.from('turn it on') });
  await expect(page.getByRole('button', { name: /Anleitung ü\.txt/ })).toBeVisible();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: /Anleitung ü\.txt/ }).click();
  expect(readFileSync(await (await download).path(), 'utf8')).toBe('turn it on');
});

test('a customer can be asked about each file, and a no is respected', async ({ page, request }) => {
  writeFileSync(join(fixture.home, 'secret.txt'), 'mine');
  await inSession(page, request);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'each file');
  await page.getByLabel('Choose secret.txt').check();
  await page.getByRole('button', { name: 'Download' }).click();
  await fixture.desktop.window('^A question about a file$');
  fixture.desktop.screenshot('results/customer-asked.png');
  await fixture.desktop.keys('^A question about a file$', 'Tab', 'space');
  await expect(page.getByLabel('Transfers')).toContainText('The customer does not allow this.');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  await fixture.desktop.keys('^A question about a file$', 'Tab', 'Tab', 'space');
  expect(readFileSync(await (await download).path(), 'utf8')).toBe('mine');
  // The yes was for that transfer alone.
  await page.getByRole('button', { name: 'Download' }).click();
  await fixture.desktop.keys('^A question about a file$', 'Tab', 'space');
  await expect(page.getByLabel('Transfers').getByText('The customer does not allow this.')).toHaveCount(2);
});

test('drawings appear on the customer’s screen and in a screenshot in the journal', async ({ page, request }) => {
  await inSession(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'view');
  const canvas = page.locator('canvas.picture');
  await expect(canvas).toHaveAttribute('width', '1280');
  await expect.poll(() => differing(page, fixture.desktop), { timeout: 20_000 }).toBe(0);
  const box = (await canvas.boundingBox())!;
  const place = (x: number, y: number) => [box.x + (x / 1280) * box.width, box.y + (y / 800) * box.height] as const;
  const drawn: [tool: string, from: [number, number], to: [number, number]][] = [
    ['Arrow', [100, 700], [300, 600]],
    ['Box', [900, 100], [1200, 300]],
    ['Pen', [100, 100], [250, 160]],
    ['Point', [1100, 600], [1100, 600]]
  ];
  for (const [tool, from, to] of drawn) {
    await page.getByRole('button', { name: tool, exact: true }).click();
    await page.mouse.move(...place(...from));
    await page.mouse.down();
    await page.mouse.move(...place((from[0] + to[0]) / 2, from[1] + 5), { steps: 5 });
    await page.mouse.move(...place(...to), { steps: 5 });
    await page.mouse.up();
  }
  const red = (x: number, y: number) => {
    const { rgb, width } = fixture.desktop.pixels();
    return [...rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
  };
  await until('the box is on the customer’s screen', () => red(900, 200)[0] === 0xe5 && red(900, 200)[1] === 0x1c);
  await page.waitForFunction(() => {
    const c = document.querySelector<HTMLCanvasElement>('canvas.picture')!;
    const p = c.getContext('2d')!.getImageData(900, 200, 1, 1).data;
    return p[0]! > 200 && p[1]! < 60;
  });
  fixture.desktop.screenshot('results/customer-drawn.png');
  await page.getByRole('button', { name: 'Screenshot to journal' }).click();
  await expect(page.getByText('The picture is in the incident’s journal.')).toBeVisible();
  await page.screenshot({ path: 'results/drawn.png' });
  await until('the drawings fade', () => red(900, 200)[0] === 0x3a, 15_000);
  await page.getByRole('link', { name: 'INC-1001' }).click();
  await expect(page.getByRole('img', { name: "The customer's screen" })).toBeVisible();
  await page.screenshot({ path: 'results/journal-picture.png' });
});

test('the view shows one monitor of several, or the one with the pointer', async ({ page, request }) => {
  const monitor = (...args: string[]) =>
    execFileSync('xrandr', ['--setmonitor', ...args], { env: fixture.desktop.env });
  monitor('left', '640/169x800/211+0+0', 'screen');
  monitor('right', '640/169x800/211+640+0', 'none');
  await inSession(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  const canvas = page.locator('canvas.picture');
  await expect(canvas).toHaveAttribute('width', '1280');
  const select = page.getByLabel('Monitor');
  await select.selectOption({ label: '2: right' });
  const view = page.getByRole('region', { name: 'Screen' });
  // The right half fills the view: the canvas begins far left of it.
  await expect
    .poll(
      async () => Math.round(((await canvas.boundingBox())!.width / 1280) * 640) <= (await view.boundingBox())!.width
    )
    .toBe(true);
  const box = (await canvas.boundingBox())!;
  const place = (await page.locator('.screen').boundingBox())!;
  expect(Math.abs(box.x + box.width / 2 - place.x)).toBeLessThan(3);
  await page.screenshot({ path: 'results/monitor.png' });
  // A click lands where it is seen.
  await page.mouse.click(place.x + place.width / 2, place.y + place.height / 2);
  await expect.poll(() => fixture.desktop.xdotool('getmouselocation')).toMatch(/x:9[56]\d y:(39|40)\d/);
  await select.selectOption('follow');
  // A movement as by a mouse.
  fixture.desktop.xdotool('mousemove_relative', '--', '-860', '-100');
  await expect
    .poll(async () => Math.round((await canvas.boundingBox())!.x - (await page.locator('.screen').boundingBox())!.x))
    .toBe(0);
});

test('the customer posts a file in the chat from the program', async ({ page, request }, info) => {
  const mine = join(fixture.home, 'Foto ü.bin');
  const bytes = randomBytes(300_000);
  writeFileSync(mine, bytes);
  await inSession(page, request);
  await fixture.desktop.keys('^Northwind Support', 'Tab', 'Tab', 'space');
  fixture.desktop.screenshot('results/attach.png');
  const chooser = await fixture.desktop.window('^zenity$|^Choose a file');
  fixture.desktop.screenshot('results/attach.png');
  fixture.desktop.xdotool('windowactivate', '--sync', chooser);
  // The first letter opens the path field; its text is replaced once the field is there.
  fixture.desktop.xdotool('key', '--delay', '400', 'slash', 'ctrl+a');
  fixture.desktop.xdotool('type', '--delay', '30', mine);
  fixture.desktop.xdotool('key', 'Return');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: /Foto ü.bin/ }).click();
  const path = info.outputPath('got');
  await (await download).saveAs(path);
  expect(sha(readFileSync(path))).toBe(sha(bytes));
});
