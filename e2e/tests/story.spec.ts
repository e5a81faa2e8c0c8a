// The whole story, on real parts: server, Chromium, and the support program on a virtual desktop.

import { expect, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, differing, generate, runProgram, signIn } from '../lib/people';
import { until } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '20'] });

test('from incident to journal: chat, view, control, exact pixels, close, transcript and video', async ({
  page,
  request
}) => {
  await signIn(page, fixture.server);
  const { link } = await generate(page, fixture.server, fixture.incident);
  await expect(page.getByText('Waiting for the customer')).toBeVisible();

  const program = await runProgram(fixture.server, fixture.desktop, request, { link: link.split('#')[1]! });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();

  // Chat, both ways.
  await fixture.desktop.keys('Northwind Support', 'ctrl+a');
  fixture.desktop.xdotool('type', '--delay', '20', 'It does not print.');
  fixture.desktop.xdotool('key', 'Return');
  await expect(page.getByRole('listitem').filter({ hasText: 'It does not print.' })).toContainText(CUSTOMER.name);
  await page.getByLabel('Message').fill('I will have a look: https://example.org/printer');
  await page.getByLabel('Message').press('Enter');
  await expect(page.getByRole('link', { name: 'https://example.org/printer' })).toHaveAttribute('rel', /noopener/);

  // Screen: asked, allowed, seen exactly.
  fixture.desktop.open('xterm', [
    '-geometry',
    '56x14+860+470',
    '-e',
    'sh',
    '-c',
    'ls --color=always -l /usr/share | head -12; exec sh'
  ]);
  fixture.desktop.open('pcmanfm', ['--no-desktop', '/usr/share']);
  await fixture.desktop.window('^share$');
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control')).toBeVisible();
  await fixture.desktop.window('^Your screen is shared$');
  await expect
    .poll(() => differing(page, fixture.desktop), {
      timeout: 20_000,
      message: 'every pixel equals the customer’s screen'
    })
    .toBe(0);
  await page.screenshot({ path: 'results/session.png' });
  fixture.desktop.screenshot('results/customer-desktop.png');

  // Control: a real X application receives what is typed.
  const note = join(fixture.server.data, 'note.txt');
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
  const place = fixture.desktop.xdotool('getwindowgeometry', '--shell', term);
  const [x, y] = [Number(place.match(/X=(\d+)/)![1]) + 80, Number(place.match(/Y=(\d+)/)![1]) + 60];
  const canvas = page.locator('canvas.picture');
  const box = (await canvas.boundingBox())!;
  await page.mouse.click(box.x + (x / 1280) * box.width, box.y + (y / 800) * box.height);
  await page.keyboard.type('Gruss from Tom: 1+1=2? YES!');
  await page.keyboard.press('Enter');
  await expect
    .poll(() => (existsSync(note) ? readFileSync(note, 'utf8') : ''))
    .toContain('Gruss from Tom: 1+1=2? YES!');
  await expect.poll(() => differing(page, fixture.desktop), { timeout: 20_000 }).toBe(0);

  // The customer withdraws control: no further input arrives.
  await fixture.desktop.window('^Your screen is shared$');
  await page.getByRole('button', { name: 'Give control back' }).click();
  await expect(page.getByText('You control')).toBeHidden();
  const before = readFileSync(note, 'utf8');
  await page.mouse.click(box.x + (x / 1280) * box.width, box.y + (y / 800) * box.height);
  await page.keyboard.type('this must not arrive');
  await page.keyboard.press('Enter');

  // Close: the program tells the customer, and removes itself.
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await expect(page.getByRole('heading', { name: 'The session has ended' })).toBeVisible();
  expect(readFileSync(note, 'utf8')).toBe(before);
  fixture.desktop.screenshot('results/customer-ended.png');
  // The rating: four stars of five, by keyboard; then the window is closed.
  await fixture.desktop.keys('Northwind Support', 'Tab', 'Tab', 'Tab', 'Tab', 'space', 'Tab', 'Tab');
  fixture.desktop.xdotool('type', '--delay', '20', 'Quick and kind.');
  await fixture.desktop.keys('Northwind Support', 'Tab', 'space');
  const id = page.url().split('/').at(-1)!;
  await until(
    'the rating is there',
    async () => (await (await page.request.get(`${fixture.server.url}/api/sessions/${id}`)).json()).history.rating === 4
  );
  fixture.desktop.screenshot('results/customer-rated.png');
  await fixture.desktop.keys('Northwind Support', 'Tab', 'space');
  await until('the program has removed itself', () => !existsSync(program.file));

  // Journal: orange with both links.
  await page.getByRole('link', { name: 'To the incident' }).click();
  const entry = page.getByRole('listitem').filter({ hasText: 'Remote support history' });
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();
  await expect(entry).toContainText('closed by the technician');
  await expect(entry).toContainText('★★★★☆');
  await expect(entry).toContainText('Quick and kind.');
  await page.screenshot({ path: 'results/incident.png' });
  await entry.getByRole('link', { name: /Video/ }).click();
  await expect(page.getByLabel('Transcript')).toContainText('It does not print.');
  const video = page.getByLabel('Recording of the shared screen');
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.videoWidth)).toBe(1280);
  const seek = await video.evaluate(async (v: HTMLVideoElement) => {
    // The video ends with a placeholder frame that says that no screen is shared.
    v.currentTime = v.duration - 3.5;
    await new Promise((r) => v.addEventListener('seeked', r, { once: true }));
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [v.videoWidth, v.videoHeight];
    const context = canvas.getContext('2d')!;
    context.drawImage(v, 0, 0);
    return { pixel: [...context.getImageData(1200, 700, 1, 1).data], duration: v.duration };
  });
  expect(seek.pixel.slice(0, 3)).toEqual([0x3a, 0x6e, 0xa5]);
  expect(seek.duration).toBeGreaterThan(1);
  await page.screenshot({ path: 'results/history.png' });

  // The downloaded file is whole for an independent player.
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Video file' }).click();
  const file = await (await download).path();
  const probe = execFileSync('ffprobe', [
    '-v',
    'warning',
    '-show_entries',
    'stream=codec_name,width,height',
    '-of',
    'csv=p=0',
    file
  ]).toString();
  expect(probe.trim()).toBe('av1,1280,800\nwebvtt,N/A,N/A');
});
