// A backup of a running server, restored after its disk is lost, with the commands of docs/operating.md.

import { expect, test } from '@playwright/test';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { answer, CUSTOMER, generate, runProgram } from '../lib/people';
import { BINARIES, MEMORY, ROOT } from '../lib/processes';
import { close, recorded, verified } from '../lib/remains';
import { useFixture } from '../lib/fixture';

const fixture = useFixture();
/** The commands of the docs, from the block under this heading. */
const commands = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8').match(
  /## Backup[\s\S]*?```sh\n([\s\S]*?)```/
)![1]!;

test('a backup of the running server is restored: people, sessions, evidence, keys', async ({
  page,
  request
}, info) => {
  await fixture.join(page, request);
  const id = page.url().match(/sessions\/([^/?]+)/)![1]!;
  await page.getByLabel('Message', { exact: true }).fill('Said before the backup.');
  await page.getByLabel('Message', { exact: true }).press('Enter');
  await page
    .getByLabel('File for the conversation')
    .setInputFiles({ name: 'manual.txt', mimeType: 'text/plain', buffer: Buffer.from('Turn it off and on.') });
  await expect(page.getByText('manual.txt')).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'view');
  await expect(page.locator('canvas.picture')).toBeVisible();
  const entry = await close(page);
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();
  const { link } = await generate(page, fixture.server, fixture.incident);
  const waiting = page.url();

  // The running server's data is backed up; then something happens that the backup does not contain.
  const folder = mkdtempSync(join(MEMORY, 'deskside-backup-'));
  execFileSync('sh', ['-ec', commands.replaceAll('deskside-data', fixture.server.data)], { cwd: folder });
  const later = {
    headers: { origin: fixture.server.url },
    data: {
      customer: 1,
      subject: 'After the backup',
      description: '',
      status: 'new',
      priority: 'normal',
      owner: null,
      team: ''
    }
  };
  expect((await page.request.post(`${fixture.server.url}/api/incidents`, later)).ok()).toBe(true);

  // The disk is lost, and the backup takes its place.
  await fixture.server.kill();
  rmSync(fixture.server.data, { recursive: true });
  renameSync(join(folder, 'backup'), fixture.server.data);
  await fixture.server.run();

  // People are still signed in; journal, file and video are there and verify.
  await page.goto(`${fixture.server.url}/console/history/${id}`);
  await expect(page.getByText('Said before the backup.')).toBeVisible();
  const { entries } = await (await page.request.get(`${fixture.server.url}/api/sessions/${id}`)).json();
  const posted = entries.find((e: { event: { type: string } }) => e.event.type === 'file_posted').event.number;
  expect(await (await page.request.get(`${fixture.server.url}/api/sessions/${id}/posts/${posted}`)).text()).toBe(
    'Turn it off and on.'
  );
  const video = await recorded(page.request, fixture.server, id, info.outputPath('video.webm'));
  expect(video.complaints).toBe('');
  expect(video.pictures).toBeGreaterThan(0);
  const bundle = info.outputPath('bundle.zip');
  expect(
    spawnSync(join(BINARIES, 'deskside-server'), ['--data', fixture.server.data, 'export', id, '--to', bundle]).status
  ).toBe(0);
  expect(verified(fixture.server, bundle)).toMatchObject({
    whole: true,
    output: expect.stringContaining('WHOLE: nothing was changed since it was signed.')
  });

  // A link that was sent before admits its customer: the program recognises the server by its key.
  await page.goto(waiting);
  await runProgram(fixture.server, fixture.desktop, request, { link: link.split('#')[1]! }, { HOME: fixture.home });
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.goto(`${fixture.server.url}/console/incidents`);
  await expect(page.getByText(CUSTOMER.name).first()).toBeVisible();
  await expect(page.getByText('After the backup')).toBeHidden();
});
