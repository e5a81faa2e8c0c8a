// The REST API: against its own description, and as the page in the docs shows it.

import { expect, test } from '@playwright/test';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, signIn } from '../lib/people';
import { ROOT } from '../lib/processes';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();
const SCOPES = ['sessions:read', 'sessions:write', 'evidence:read', 'people:read', 'people:write'];

test('the API follows its description for generated requests', async ({ page }) => {
  test.setTimeout(240_000);
  await signIn(page, fixture.server, ADMIN);
  const made = await (
    await page.request.post(`${fixture.server.url}/api/tokens`, {
      data: { name: 'Schemathesis', scopes: SCOPES, days: 1 }
    })
  ).json();
  // What the schema cannot express, such as a valid mail address, is refused with an error: that check is left out.
  const options = [
    'run',
    `${fixture.server.url}/api/v1/openapi.json`,
    '-H',
    `Authorization: Bearer ${made.token}`,
    '--max-examples',
    '20',
    '--seed',
    '1',
    '--exclude-checks',
    'positive_data_acceptance',
    '--no-color'
  ];
  const run = spawnSync(join(ROOT, 'e2e/.python/bin/schemathesis'), options, {
    cwd: fixture.server.data,
    encoding: 'utf8'
  });
  expect(run.status, run.stdout.slice(-6_000) + run.stderr).toBe(0);
  expect(run.stdout).toMatch(/Tested: 18/);
});

test('the example of the docs runs unchanged', async ({ page }) => {
  await signIn(page, fixture.server, ADMIN);
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Integrations' }).click();
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog', { name: 'New token' });
  await dialog.getByLabel('Name').fill('Nightly report');
  for (const label of [/Read sessions/, /Make, move/, /Read transcripts/]) await dialog.getByLabel(label).check();
  await dialog.getByRole('button', { name: 'Create token' }).click();
  const token = await page.getByRole('textbox', { name: 'Token' }).inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('region', { name: 'Tokens' })).toContainText('Nightly report');
  const page_ = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');
  const example = page_.match(/<!-- runs in a test -->\n```sh\n([\s\S]*?)```/)![1]!;
  const output = execFileSync('bash', ['-euo', 'pipefail', '-c', example], {
    env: { ...process.env, DESKSIDE: fixture.server.url, TOKEN: token },
    encoding: 'utf8'
  });
  expect(output).toContain('"incident":"INC0010023"');
  expect(output).toContain('The session has ended');
  // An ended token is refused.
  page.once('dialog', (d) => void d.accept());
  await page.getByRole('button', { name: 'End Nightly report' }).click();
  await expect(page.getByRole('region', { name: 'Tokens' })).not.toContainText('Nightly report');
  const refused = await page.request.get(`${fixture.server.url}/api/v1/sessions`, {
    headers: { authorization: `Bearer ${token}` }
  });
  expect([refused.status(), refused.headers()['content-type']]).toEqual([401, 'application/problem+json']);
});
