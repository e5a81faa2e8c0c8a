// What remains of a session: its end by the technician, its journal entry, its video.

import { type APIRequestContext, expect, type Locator, type Page } from '@playwright/test';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BINARIES, type Server } from './processes';

/** The technician closes the session and opens its incident; returns the journal entry. */
export async function close(page: Page): Promise<Locator> {
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Close session/ }).click();
  await page.getByRole('link', { name: 'To the incident' }).click();
  await expect(page).toHaveURL(/\/incidents\//);
  return page.getByRole('listitem').filter({ hasText: 'Remote support history' });
}

/** Saves the video and reads it with an independent reader. */
export async function recorded(request: APIRequestContext, server: Server, session: string, file: string) {
  const { address } = await (await request.post(`${server.url}/api/sessions/${session}/watch`)).json();
  writeFileSync(file, await (await request.get(`${server.url}${address}/recording.webm`)).body());
  const probed = spawnSync('ffprobe', [
    '-v',
    'warning',
    '-count_frames',
    '-select_streams',
    'v',
    '-show_entries',
    'stream=nb_read_frames',
    '-of',
    'csv=p=0',
    file
  ]);
  return { pictures: Number(probed.stdout.toString().trim()), complaints: probed.stderr.toString() };
}

/** The output of deskside-verify for a bundle when the server's key is expected. */
export function verified(server: Server, bundle: string) {
  const keys = spawnSync(join(BINARIES, 'deskside-server'), ['--data', server.data, 'keys']).stdout.toString();
  const fingerprint = keys.match(/^(\S+( \S+)*)  since/m)![1]!;
  const verifier = spawnSync(join(BINARIES, 'deskside-verify'), [bundle, '--key', fingerprint]);
  return { fingerprint, output: verifier.stdout.toString(), whole: verifier.status === 0 };
}
