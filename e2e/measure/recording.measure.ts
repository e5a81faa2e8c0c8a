// A measurement, not a test: the cost of recording. Sessions with and without it alternate, in one run on one
// machine.
// DESKSIDE_BIN=../target/release npx playwright test -c measure.config.ts recording

import { expect, test } from '@playwright/test';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, seed } from '../lib/people';
import { Desktop, Server } from '../lib/processes';
import { controlled, spread, typing } from '../lib/typing';

const TURNS = 3;
const MOTION_MS = 15_000;

/** CPU time of a process's threads in hundredths of a second: the recorders', and all others'. */
function cpu(pid: number): { recorder: number; rest: number } {
  const used = { recorder: 0, rest: 0 };
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim();
    used[name === 'recorder' ? 'recorder' : 'rest'] += Number(fields[11]) + Number(fields[12]);
  }
  return used;
}

test('the cost of recording', async ({ browser, playwright }) => {
  test.setTimeout(600_000);
  const server = await Server.start();
  const desktop = await Desktop.start();
  const request = await playwright.request.newContext();
  const { incident } = await seed(server, request);
  await request.post(`${server.url}/api/sign-in`, { data: { login: ADMIN.login, password: ADMIN.password } });
  const settings = await (await request.get(`${server.url}/api/settings`)).json();
  const typed: Record<string, number[]> = { recorded: [], 'not recorded': [] };
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    const record = turn % 2 === 0;
    expect((await request.put(`${server.url}/api/settings`, { data: { ...settings, record } })).ok()).toBe(true);
    const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
    const term = await controlled(page, server, desktop, request, incident);
    const id = page.url().match(/sessions\/([^/?]+)/)![1]!;
    typed[record ? 'recorded' : 'not recorded']!.push(...(await typing(page, 60)));

    const before = cpu(server.pid);
    const motion = desktop.open('xterm', [
      '-geometry',
      '120x40+300+20',
      '-e',
      'sh',
      '-c',
      'while :; do ls -l --color=always /usr/share/doc; done'
    ]);
    // The duration of the measurement.
    await page.waitForTimeout(MOTION_MS);
    motion.kill();
    const after = cpu(server.pid);
    if (record) {
      const [recorder, rest] = [after.recorder - before.recorder, after.rest - before.rest];
      console.log(
        `motion for ${MOTION_MS / 1000} s: the recorder ${recorder * 10} ms of CPU, all else of the server ${rest * 10} ms: ${Math.round((recorder / rest) * 100)} %`
      );
      // Segments end at least every ten seconds: after that, all pictures are in the timeline.
      await page.waitForTimeout(11_000);
      const rawRecording = statSync(join(server.data, 'recordings', `${id}-1.reel`)).size;
      const { entries } = await (await request.get(`${server.url}/api/sessions/${id}`)).json();
      const pictures = entries.reduce(
        (sum: number, e: { event: { type: string; bytes: number } }) =>
          sum + (e.event.type === 'recorded' ? e.event.bytes : 0),
        0
      );
      console.log(
        `pictures ${pictures} bytes, raw recording ${rawRecording} bytes: ${((rawRecording / pictures - 1) * 100).toFixed(1)} % more`
      );
    }
    term.kill();
    await page.getByRole('button', { name: 'End session' }).click();
    await page.getByRole('button', { name: /^Close session/ }).click();
    spawnSync('pkill', ['-f', join(server.data, 'deskside-support')]);
    await page.context().close();
  }
  for (const [name, list] of Object.entries(typed)) console.log(`typing, ${name}: ${spread(list)}`);
  await desktop.stop();
  await server.stop();
});
