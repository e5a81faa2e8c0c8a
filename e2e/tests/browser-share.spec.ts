// A customer shares the screen from the browser alone: asked, chosen, seen, paused, recorded, ended.

import { chromium, expect, type Page, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { generate, signIn } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '20'], size: '1024x768' });

/** The customer's browser on a desktop of its own; the flags choose the whole screen in the browser's picker. */
const openCustomerBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: false,
    env: { ...process.env, DISPLAY: fixture.desktop.display } as Record<string, string>,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--auto-select-desktop-capture-source=Entire screen',
      '--window-size=700,700',
      '--window-position=0,0'
    ]
  });

test('the customer’s browser shares a screen and stops', async ({ page }) => {
  const customerBrowser = await openCustomerBrowser();
  const customer = await (await customerBrowser.newContext({ viewport: null })).newPage();
  customer.on('console', (m) => m.type() === 'error' && console.log('customer:', m.text()));
  customer.on('pageerror', (e) => console.log('customer:', e.message));
  await signIn(page, fixture.server);
  const { link } = await generate(page, fixture.server, 1);
  await customer.goto(link);
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  await expect(page.getByText(/is here \(browser\)/)).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await expect(customer.getByRole('heading', { name: 'Did you ask for this?' })).toBeVisible();
  await customer.screenshot({ path: 'results/share-asked.png' });
  await customer.getByRole('button', { name: 'Yes, I asked for help' }).click();
  await customer.getByRole('button', { name: 'Choose what to show …' }).click();
  await expect(customer.getByText('sees your screen')).toBeVisible();

  // The technician sees the desktop, with what changes on it.
  const canvas = page.locator('canvas.picture');
  await expect(canvas).toHaveAttribute('width', '1024');
  fixture.desktop.open('xsetroot', ['-solid', '#207040']);
  await page.waitForFunction(() => {
    const c = document.querySelector<HTMLCanvasElement>('canvas.picture')!;
    const [r, g, b] = c.getContext('2d')!.getImageData(1000, 740, 1, 1).data;
    return Math.abs(r! - 0x20) < 12 && Math.abs(g! - 0x70) < 12 && Math.abs(b! - 0x40) < 12;
  });
  await page.screenshot({ path: 'results/share-seen.png' });
  fixture.desktop.screenshot('results/share-customer.png');

  // What the technician draws is in the picture, and the customer is told with a screenshot; then it fades.
  await page.getByRole('button', { name: 'Box' }).click();
  const box = (await canvas.boundingBox())!;
  const place = (x: number, y: number) => [box.x + (x / 1024) * box.width, box.y + (y / 768) * box.height] as const;
  await page.mouse.move(...place(780, 500));
  await page.mouse.down();
  await page.mouse.move(...place(900, 600), { steps: 5 });
  await page.mouse.up();
  await expect(customer.getByText('shows you something on your screen:')).toBeVisible();
  const red = (c: HTMLCanvasElement) => {
    const data = c.getContext('2d')!.getImageData(770, 545, 20, 10).data;
    return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]! > 180 && data[4 * i + 1]! < 90).some(Boolean);
  };
  await expect.poll(() => customer.getByLabel('Your screen, with what').evaluate(red)).toBe(true);
  await expect.poll(() => canvas.evaluate(red)).toBe(true);
  await customer.screenshot({ path: 'results/share-drawn.png' });
  await expect.poll(() => canvas.evaluate(red), { timeout: 15_000 }).toBe(false);
  await expect(customer.getByText('shows you something on your screen:')).toBeHidden();
  // Control needs the program.
  await expect(page.getByRole('button', { name: 'Ask for control' })).toBeDisabled();

  await customer.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByText('The customer has paused the screen.')).toBeVisible();
  await customer.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('The customer has paused the screen.')).toBeHidden();
  fixture.desktop.open('xsetroot', ['-solid', '#a03020']);
  const turnsRed = () =>
    page.waitForFunction(() => {
      const picture = document.querySelector<HTMLCanvasElement>('canvas.picture')?.getContext('2d');
      if (!picture) return false;
      const [r, g, b] = picture.getImageData(1000, 740, 1, 1).data;
      return Math.abs(r! - 0xa0) < 12 && Math.abs(g! - 0x30) < 12 && Math.abs(b! - 0x20) < 12;
    });
  await turnsRed();

  // A technician whose browser has no decoder sees it with the one that pages include.
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'VideoDecoder'));
  await page.reload();
  await turnsRed();
  await page.getByRole('button', { name: 'Connection' }).click();
  await expect(page.getByRole('region', { name: 'Connection' })).toContainText('AV1 4:2:0, decoded by this page');

  await customer.getByRole('button', { name: 'Stop showing' }).click();
  await expect(page.getByText('The screen is no longer visible (by the customer)')).toBeVisible();
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await customer.getByText('4 of 5 stars').click({ force: true });
  await customer.getByRole('button', { name: 'Send the rating' }).click();
  await expect(customer.getByText('Thank you.')).toBeVisible();

  // Recorded like any other.
  await page.getByRole('link', { name: 'To the incident' }).click();
  await expect(page.getByText('★★★★☆')).toBeVisible();
  await page.getByRole('link', { name: /Video/ }).first().click();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Video file' }).click();
  const file = await (await download).path();
  const probe = execFileSync('ffprobe', [
    '-v',
    'warning',
    '-count_frames',
    '-select_streams',
    'v',
    '-show_entries',
    'stream=codec_name,width,height,nb_read_frames',
    '-of',
    'csv=p=0',
    file
  ])
    .toString()
    .trim();
  expect(probe).toMatch(/^av1,1024,768,\d+$/);
  await customerBrowser.close();
});

/** A technician and a customer whose browser lacks something, after the technician has asked for the screen. */
async function askWithout(page: Page, lacks: string) {
  const customerBrowser = await openCustomerBrowser();
  const context = await customerBrowser.newContext({ viewport: null });
  await context.addInitScript((name) => Reflect.deleteProperty(globalThis, name), lacks);
  const customer = await context.newPage();
  await signIn(page, fixture.server);
  const { link } = await generate(page, fixture.server, 1);
  await customer.goto(link);
  await customer.getByRole('button', { name: 'Chat in this browser' }).click();
  await expect(page.getByText(/is here \(browser\)/)).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  return { customerBrowser, customer };
}

test('a browser without track processors shares its screen, even from a background page', async ({ page }) => {
  const { customerBrowser, customer } = await askWithout(page, 'MediaStreamTrackProcessor');
  await customer.getByRole('button', { name: 'Yes, I asked for help' }).click();
  await customer.getByRole('button', { name: 'Choose what to show …' }).click();
  await expect(page.locator('canvas.picture')).toHaveAttribute('width', '1024');
  // The person looks at another window, which is then shared.
  await (await customer.context().newPage()).bringToFront();
  for (const [colour, rgb] of [
    ['#207040', [0x20, 0x70, 0x40]],
    ['#a03020', [0xa0, 0x30, 0x20]]
  ] as const) {
    fixture.desktop.open('xsetroot', ['-solid', colour]);
    await page.waitForFunction((rgb) => {
      const c = document.querySelector<HTMLCanvasElement>('canvas.picture')!;
      const data = c.getContext('2d')!.getImageData(1000, 740, 1, 1).data;
      return rgb.every((value, i) => Math.abs(data[i]! - value) < 12);
    }, rgb);
  }
  await customerBrowser.close();
});

test('a browser that cannot share its screen says so at once, without a question', async ({ page }) => {
  const { customerBrowser, customer } = await askWithout(page, 'VideoEncoder');
  await expect(customer.getByRole('heading', { name: 'This browser cannot show your screen' })).toBeVisible();
  await expect(customer.getByRole('button', { name: 'Yes, I asked for help' })).toHaveCount(0);
  await customer.getByRole('button', { name: 'Close', exact: true }).click();
  await expect(page.getByText('The customer is being asked …')).toBeHidden();
  await customerBrowser.close();
});
