// Plain HTTP from another machine: browsers offer less there, and what they keep back is said or done without.

import { expect, test } from '@playwright/test';
import { answer, CUSTOMER, differing, furnish, generate, runProgram, signIn } from '../lib/people';
import { Desktop, freePort, Server } from '../lib/processes';

test('a technician on plain HTTP sees every pixel and types', async ({ page, playwright }) => {
  // This machine by an address that browsers do not take for it.
  const port = await freePort();
  const url = `http://0.0.0.0:${port}`;
  const server = await Server.start(['--public-url', url], undefined, undefined, [], port);
  const desktop = await Desktop.start();
  const request = await playwright.request.newContext();
  try {
    await furnish(server, request);
    server.url = url;
    await signIn(page, server);
    expect(await page.evaluate(() => isSecureContext)).toBe(false);
    const { link } = await generate(page, server, 1);
    await runProgram(server, desktop, request, { link: link.split('#')[1]! });
    await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
    await page.getByRole('button', { name: 'Share screen' }).click();
    await answer(desktop, 'control');
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    await page.screenshot({ path: 'results/plain.png' });
  } finally {
    await request.dispose();
    await desktop.stop();
    await server.stop();
  }
});
