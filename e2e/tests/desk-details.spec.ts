// Everyday details of a service desk: choosing one customer of many, ending a session, the connection panel beside
// the chat.

import { expect, type Page, test } from '@playwright/test';
import { ADMIN, answer, generate, signIn } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

test('one of many customers is chosen by typing, with the keyboard alone', async ({ page }) => {
  await signIn(page, fixture.server, ADMIN);
  for (let n = 0; n < 201; n++) {
    const data = { name: `Customer ${String(n).padStart(3, '0')}`, email: `c${n}@many.example`, company: '' };
    expect((await page.request.post(`${fixture.server.url}/api/customers`, { data })).ok()).toBe(true);
  }
  const data = { name: 'Özgür Żak', email: 'oezguer@last.example', company: 'Łódź 50%' };
  expect((await page.request.post(`${fixture.server.url}/api/customers`, { data })).ok()).toBe(true);
  await page.goto(`${fixture.server.url}/console/incidents`);
  await page.getByRole('button', { name: 'New incident' }).click();
  const dialog = page.getByRole('dialog');
  const customer = dialog.getByRole('combobox', { name: 'Customer' });
  const options = dialog.getByRole('listbox', { name: 'Customers' });
  const create = dialog.getByRole('button', { name: 'Create incident' });
  await customer.fill('many.example');
  await expect(dialog.getByText('More than 50 customers match')).toBeVisible();
  await customer.fill('OZGUR lodz 50%');
  await expect(options.getByRole('option')).toHaveCount(1);
  await expect(create).toBeDisabled();
  await customer.press('Enter');
  await expect(customer).toHaveValue('Özgür Żak · Łódź 50%');
  await expect(create).toBeEnabled();
  // Another one after all.
  await customer.fill('customer 20');
  await expect(options.getByRole('option')).toHaveCount(3);
  await expect(create).toBeDisabled();
  await customer.press('ArrowDown');
  await customer.press('ArrowUp');
  await customer.press('ArrowUp');
  await page.screenshot({ path: 'results/customers.png' });
  await expect(options.getByRole('option', { selected: true })).toContainText('Customer 200');
  // Escape closes the list, but not the dialog.
  await customer.press('Escape');
  await expect(options.getByRole('option')).toHaveCount(0);
  await customer.fill('customer 200');
  await expect(options.getByRole('option')).toHaveCount(1);
  await customer.press('Enter');
  await dialog.getByLabel('Subject').fill('The last of many');
  await create.click();
  await page.goto(`${fixture.server.url}/console/incidents`);
  await expect(page.getByRole('row', { name: /The last of many/ })).toContainText('Customer 200');
  // No matches: a new customer begins with what was typed.
  await page.getByRole('button', { name: 'New incident' }).click();
  await customer.fill('Somebody New');
  await dialog.getByRole('button', { name: 'Create a new customer' }).click();
  await expect(dialog.getByLabel('Name', { exact: true })).toHaveValue('Somebody New');
});

test('the choices at the end of a session are in one line', async ({ page }) => {
  await signIn(page, fixture.server);
  await generate(page, fixture.server, fixture.incident);
  await page.getByRole('button', { name: 'End session' }).click();
  const starts = await page
    .getByRole('dialog')
    .locator('.way strong')
    .evaluateAll((all) => all.map((e) => e.getBoundingClientRect().left));
  await page.screenshot({ path: 'results/end-session.png' });
  expect(starts).toHaveLength(3);
  expect(new Set(starts.map(Math.round)).size).toBe(1);
});

test('the connection panel leaves space for the text box', async ({ page, request }) => {
  await fixture.join(page, request);
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control')).toBeVisible();
  await page.getByRole('button', { name: 'Connection' }).click();
  // A picture every moment, until the panel knows the time of each stage.
  const colours = ['#204060', '#604020'];
  const panel = page.getByRole('region', { name: 'Connection' });
  await expect
    .poll(() => {
      fixture.desktop.open('xsetroot', ['-solid', colours.reverse()[0]!]);
      return panel.getByRole('table').isVisible();
    })
    .toBe(true);
  await expect(panel).toContainText('AV1 4:4:4');
  // A long line without spaces, and words after it: in the program, too, the next line is below it.
  await page
    .getByRole('textbox', { name: 'Message' })
    .fill(`${'x'.repeat(140)} and words https://en.example.org/Mercury_(planet)`);
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Message' }).fill('This is the next line.');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: 'https://en.example.org/Mercury_(planet)', exact: true })).toBeVisible();
  const inside = async (page: Page, height: number) => {
    for (const part of [
      page.getByRole('textbox', { name: 'Message' }),
      page.getByRole('button', { name: 'Send', exact: true }),
      page.getByLabel('Private note')
    ]) {
      await expect(part).toBeInViewport({ ratio: 1 });
      const box = (await part.boundingBox())!;
      expect(box.y + box.height).toBeLessThanOrEqual(height);
    }
  };
  for (const [width, height] of [
    [1440, 900],
    [1280, 720],
    [1024, 600]
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: `results/connection-${height}.png` });
    await inside(page, height);
  }
  // The program's bubbles contain all their lines, one below the other.
  const chat = await fixture.desktop.window('Northwind Support');
  await fixture.desktop.keys('Northwind Support', 'ctrl+a');
  fixture.desktop.xdotool('type', '--delay', '20', 'Mine.');
  fixture.desktop.xdotool('key', 'Return');
  await expect(page.getByRole('listitem').filter({ hasText: 'Mine.' })).toBeVisible();
  const place = fixture.desktop.xdotool('getwindowgeometry', '--shell', chat);
  const [left, top] = [Number(place.match(/X=(\d+)/)![1]), Number(place.match(/Y=(\d+)/)![1])];
  await expect
    .poll(() => bubbles(fixture.desktop.pixels(), left, top + 60, top + 480))
    .toEqual([expect.any(Number), expect.any(Number)]);
  const [first, second] = bubbles(fixture.desktop.pixels(), left, top + 60, top + 480);
  fixture.desktop.screenshot('results/long-line.png');
  expect(first).toBeGreaterThan(150);
  expect(second).toBeLessThan(80);
});

/** The heights of the bubbles at the left of a window: runs of rows whose pixels differ from those at its edge. */
function bubbles({ width, rgb }: { width: number; rgb: Buffer }, left: number, from: number, until: number): number[] {
  const at = (x: number, y: number) => rgb.readUIntBE(3 * (y * width + x), 3);
  const runs: number[] = [];
  let length = 0;
  for (let y = from; y <= until; y++) {
    if (y < until && at(left + 18, y) !== at(left + 6, y)) length++;
    else {
      if (length > 30) runs.push(length);
      length = 0;
    }
  }
  return runs;
}
