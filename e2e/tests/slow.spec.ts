// An old computer: the support program has a fifth of one core, and its customer works beside it.

import { expect, test } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answer, differing } from '../lib/people';
import { until } from '../lib/processes';
import { Quota } from '../lib/quota';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();
const quota = Quota.make();
test.skip(!quota, 'this machine has no quota for processor time to give');
test.afterAll(() => quota?.remove());

test('an old computer stays usable, pauses at once, and its picture becomes exact', async ({ page, request }) => {
  test.slow();
  const program = await fixture.join(page, request);
  quota!.set(0.2);
  quota!.holds(program.pid!);
  const typed = join(fixture.home, 'typed.txt');
  fixture.desktop.open('xterm', ['-T', 'typing-here', '-geometry', '60x8+20+40', '-e', `cat > ${typed}`]);
  await fixture.desktop.window('^typing-here$');
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();
  await expect.poll(() => differing(page, fixture.desktop), { timeout: 30_000, message: 'the first picture' }).toBe(0);

  fixture.desktop.xdotool('windowactivate', '--sync', await fixture.desktop.window('^typing-here$'));
  await page.getByLabel(/Keyboard of the customer/).focus();
  await page.keyboard.type('typed on an old computer');
  await page.keyboard.press('Enter');
  await until('the text is there', () => readFileSync(typed, 'utf8') === 'typed on an old computer\n');

  // The screen never rests; the customer's own windows respond all the same.
  fixture.desktop.open('xterm', [
    '-T',
    'moving',
    '-geometry',
    '100x30+300+200',
    '-e',
    'while :; do date +%N; sleep 0.02; done'
  ]);
  const picture = () =>
    page.locator('canvas.picture').evaluate((canvas: HTMLCanvasElement) =>
      canvas
        .getContext('2d')!
        .getImageData(310, 250, 60, 200)
        .data.reduce((sum, value) => (sum * 31 + value) | 0, 0)
    );
  let before = await picture();
  for (let n = 0; n < 5; n++) {
    await expect.poll(picture, { message: 'it moves' }).not.toBe(before);
    before = await picture();
  }
  await fixture.desktop.keys('^Your screen is shared$', 'Tab', 'space');
  await expect(page.getByText('The customer has paused the screen.')).toBeVisible();
  await fixture.desktop.keys('^moving$', 'ctrl+c');
  await until('nothing moves', () => !fixture.desktop.hasWindow('^moving$'));
  await fixture.desktop.keys('^Your screen is shared$', 'space');
  await expect(page.getByText('The customer has paused the screen.')).toBeHidden();
  await expect.poll(() => differing(page, fixture.desktop), { timeout: 30_000, message: 'exact in the end' }).toBe(0);
});
