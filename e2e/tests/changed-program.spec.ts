// A customer's program that answers nonsense. Whatever the server lets through, only the panel that shows it may
// fail: the chat continues, and the session ends as usual.

import { expect, test, type Route } from '@playwright/test';
import { answer } from '../lib/people';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();

const process = { pid: 7, name: 'twice', user: '', cpu: null, memory: 1, seconds: 1, command: '' };
const service = { name: 'twice', state: '', description: '' };
const SYSTEM = {
  ...{
    system: 'A\u202Eb',
    kernel: '',
    host: '',
    user: '',
    processor: '',
    cores: 1,
    cpu: null,
    memory: 0,
    memory_used: 0
  },
  ...{ swap: 0, swap_used: 0, uptime: 1e300, disks: [], networks: [], log: null },
  processes: [process, process],
  services: [service, service]
};
const item = { name: 'twice', kind: 'file', bytes: 1e300, changed: 8.64e15 + 1 };
const FOLDER = {
  path: '/x',
  parent: '/',
  places: ['/', '/'],
  separator: '/',
  items: [item, item],
  left_out: 0,
  free: 1
};

test('nonsense breaks only its panel, which can be retried', async ({ page, request }) => {
  await fixture.join(page, request);
  let says: unknown = { number: 1, info: SYSTEM };
  const tells = (route: Route) => route.fulfill({ json: says });
  await page.route('**/api/sessions/*/system', tells);
  await page.route('**/api/sessions/*/files?*', tells);

  await page.getByRole('tab', { name: 'System' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'yes');
  const processes = page.getByRole('table', { name: 'Processes' });
  await expect(processes.getByRole('row', { name: 'twice' })).toHaveCount(2);
  await expect(processes.getByRole('cell', { name: '–' })).toHaveCount(2);
  await expect(page.getByText('A\uFFFDb')).toBeVisible();
  await page.screenshot({ path: 'results/nonsense-numbers.png' });

  says = { number: 2, info: { processes: 7 } };
  await page.getByRole('button', { name: 'Refresh' }).click();
  const failed = page.getByRole('alert').filter({ hasText: 'System information cannot be shown' });
  await expect(failed).toBeVisible();
  await page.screenshot({ path: 'results/nonsense-panel.png' });
  await page.getByLabel('Message').fill('The conversation goes on.');
  await page.getByLabel('Message').press('Enter');
  await expect(page.getByText('The conversation goes on.')).toBeVisible();
  says = { number: 3, info: SYSTEM };
  await failed.getByRole('button', { name: 'Try again' }).click();
  await expect(processes.getByRole('row', { name: 'twice' })).toHaveCount(2);

  says = FOLDER;
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'files', false);
  await expect(page.getByRole('checkbox', { name: 'Choose twice' })).toHaveCount(2);
  says = { ...FOLDER, items: [{ ...item, kind: null }, null] };
  await page.getByRole('button', { name: 'Up' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'The customer’s files cannot be shown' })).toBeVisible();
  await page.screenshot({ path: 'results/nonsense-files.png' });

  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await expect(page.getByText('The session has ended').first()).toBeVisible();
});
