// An auditor a year later: the video at any position, the bundle, its verdict, and tampering with it.

import { expect, test, type Page } from '@playwright/test';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, answer, CUSTOMER, signIn, TECHNICIAN } from '../lib/people';
import { BINARIES, until } from '../lib/processes';
import { close, verified } from '../lib/remains';
import { useFixture } from '../lib/fixture';

const fixture = useFixture({ server: ['--grace-seconds', '30'] });

/** The output of deskside-verify, and its exit status. */
function verify(file: string, ...more: string[]) {
  const verifier = spawnSync(join(BINARIES, 'deskside-verify'), [file, ...more]);
  return { output: verifier.stdout.toString(), whole: verifier.status === 0 };
}

const COLOURS = ['#204060', '#a02030', '#30a050', '#c09020', '#7040a0', '#209090'];
const rgb = (colour: string) => [1, 3, 5].map((n) => parseInt(colour.slice(n, n + 2), 16));

/** The pixel of a canvas or a video at nine tenths of its width and height. */
const corner = (element: HTMLCanvasElement | HTMLVideoElement) => {
  const video = element instanceof HTMLVideoElement;
  const [width, height] = video ? [element.videoWidth, element.videoHeight] : [element.width, element.height];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  context.drawImage(element, 0, 0);
  return [...context.getImageData(Math.floor(width * 0.9), Math.floor(height * 0.9), 1, 1).data].slice(0, 3);
};

/** Paints the customer's desktop and waits until the technician sees it. */
async function paint(page: Page, colour: string): Promise<number> {
  fixture.desktop.open('xsetroot', ['-solid', colour]);
  await expect.poll(() => page.locator('canvas.picture').evaluate(corner)).toEqual(rgb(colour));
  return Date.now();
}

test('a session with chat, control, a file, a pause and a hold is exported, verified, tampered with, and found out', async ({
  page,
  browser,
  request
}, info) => {
  await fixture.join(page, request);
  const id = page.url().match(/sessions\/([^/?]+)/)![1]!;
  await page.getByLabel('Message').fill('Please show me the printer’s window.');
  await page.getByLabel('Message').press('Enter');
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(fixture.desktop, 'control');
  await expect(page.getByText('You control', { exact: true })).toBeVisible();

  // The screen changes, is resized, paused and resumed.
  const seen: { colour: string; at: number }[] = [];
  for (const colour of COLOURS.slice(0, 3)) seen.push({ colour, at: await paint(page, colour) });
  fixture.desktop.resize(1024, 768);
  await expect(page.locator('canvas.picture')).toHaveAttribute('width', '1024');
  seen.push({ colour: COLOURS[3]!, at: await paint(page, COLOURS[3]!) });
  await fixture.desktop.keys('^Your screen is shared$', 'Tab', 'space');
  await expect(page.getByText('The customer has paused the screen.')).toBeVisible();
  await fixture.desktop.keys('^Your screen is shared$', 'space');
  await expect(page.getByText('The customer has paused the screen.')).toBeHidden();
  for (const colour of COLOURS.slice(4)) seen.push({ colour, at: await paint(page, colour) });

  // A file, and a hold.
  writeFileSync(join(fixture.home, 'log.txt'), 'toner low\n');
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Ask the customer' }).click();
  await answer(fixture.desktop, 'files', false);
  const download = page.waitForEvent('download');
  await page.getByLabel('Choose log.txt').check();
  await page.getByRole('button', { name: 'Download' }).click();
  await download;
  await page.getByRole('button', { name: 'End session' }).click();
  await page.getByRole('button', { name: /^Hold session/ }).click();
  await expect(page.getByRole('heading', { name: 'The session is on hold' })).toBeVisible();
  await page.getByRole('button', { name: 'Open again' }).click();
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  const entry = await close(page);
  await expect(entry.getByText('linked', { exact: true })).toBeVisible();

  // The video: 50 positions, each compared with what was on the screen then.
  await entry.getByRole('link', { name: /Video/ }).click();
  const video = page.getByLabel('Recording of the shared screen');
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.duration)).toBeGreaterThan(3);
  const { film: spans } = await (await page.request.get(`${fixture.server.url}/api/sessions/${id}`)).json();
  expect(spans.map((s: { end: string }) => s.end)).toEqual(['paused', 'stopped']);
  const moment = (time: number) => {
    const span = spans.findLast((s: { from: number }) => s.from <= time)!;
    return span.at + Math.min(time, span.until) - span.from;
  };
  const placeholders = spans.map((s: { at: number; from: number; until: number }) => s.at + s.until - s.from);
  const duration = await video.evaluate((v: HTMLVideoElement) => v.duration * 1000);
  let compared = 0;
  for (let n = 0; n < 50; n++) {
    // Spread over all of it by the golden ratio: the same positions in every run.
    const place = ((n * 0.618034) % 1) * (duration - 50);
    const picture = await video
      .evaluate(async (v: HTMLVideoElement, to) => {
        v.currentTime = to / 1000;
        await new Promise((r) => v.addEventListener('seeked', r, { once: true }));
      }, place)
      .then(() => video.evaluate(corner));
    const placeholder = placeholders.some((c: number) => place >= c + 300 && place < c + 2_900);
    const shown = seen.filter((s) => moment(s.at) <= place).at(-1);
    const next = seen.find((s) => moment(s.at) > place);
    // Between setting a colour and seeing it, either may be on the screen.
    const unsure =
      !shown ||
      (next && moment(next.at) - place < 900) ||
      placeholders.some((c: number) => Math.abs(place - c) < 300 || Math.abs(place - c - 3_000) < 900);
    if (placeholder) expect(picture, `the placeholder at ${place}`).toEqual([24, 26, 32]);
    else if (!unsure) expect(picture, `what was seen at ${place}`).toEqual(rgb(shown.colour));
    else {
      // Within a second of a change a picture need not have settled.
      const known = [...COLOURS.map(rgb), [0x3a, 0x6e, 0xa5], [24, 26, 32]];
      const near = known.some((colour) => colour.every((value, n) => Math.abs(value - picture[n]!) <= 3));
      expect(near, `${picture} is something of this session at ${place}`).toBe(true);
    }
    if (placeholder || !unsure) compared++;
  }
  expect(compared, 'most places say exactly what must be there').toBeGreaterThan(20);
  await page.getByRole('button', { name: /^Go to: .*has paused the screen/ }).click();
  await expect(page.getByText('Paused by the customer')).toBeVisible();
  await page.getByLabel('Subtitles').check();
  await page.screenshot({ path: 'results/player.png' });

  // The bundle, as the page exports it.
  const bundled = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export signed bundle' }).click();
  const bundle = info.outputPath('bundle.zip');
  await (await bundled).saveAs(bundle);
  const { fingerprint, ...good } = verified(fixture.server, bundle);
  expect(good.output).toContain('WHOLE: nothing was changed since it was signed.');
  expect(good.output).toContain('INC-1001 for Ada Morgan (The printer prints nothing)');
  expect(good.output).toContain(`signed by the key ${fingerprint}`);
  expect(good.whole).toBe(true);
  const other = verify(bundle, '--key', 'ffff '.repeat(8));
  expect(other.output).toContain(
    `NOT EXPECTED: It was signed by the key ${fingerprint}, not by ${'ffff '.repeat(8).trim()}, which you expect`
  );
  expect(verify(bundle, '--key', fingerprint, '--session', '0'.repeat(32)).output).toContain(
    `NOT EXPECTED: This is the evidence of session ${id}`
  );
  const unknown = verify(bundle);
  expect(unknown.output).toContain('SIGNER UNKNOWN: you named no key');
  expect([other.whole, unknown.whole]).toEqual([false, false]);
  const head = good.output.match(/last entry's hash is ([0-9a-f]{64})/)![1]!;

  // One person changes a word of the chat, another a byte of the video.
  const bytes = readFileSync(bundle);
  const tampered = info.outputPath('tampered.zip');
  const word = bytes.indexOf('printer’s window');
  writeFileSync(tampered, Buffer.concat([bytes.subarray(0, word), Buffer.from('P'), bytes.subarray(word + 1)]));
  const words = verify(tampered);
  expect(words.whole).toBe(false);
  expect(words.output).toContain('CHANGED: The timeline was changed');
  const inVideo = bytes.indexOf(Buffer.from([0x1a, 0x45, 0xdf, 0xa3])) + 5_000;
  bytes[inVideo]! ^= 1;
  writeFileSync(tampered, bytes);
  const pixels = verify(tampered);
  expect(pixels.whole).toBe(false);
  expect(pixels.output).toContain('CHANGED: video.webm was changed after it was stored.');
  expect(pixels.output).toMatch(/CHANGED: The video was changed in its segment \d+, recorded until 20\d\d-/);

  // The page for checking, saved to disk and opened offline, gives the same result.
  const html = info.outputPath('verify.html');
  writeFileSync(html, await (await page.request.get(`${fixture.server.url}/verify.html`)).body());
  const offline = await browser.newContext({ offline: true });
  const checking = await offline.newPage();
  await checking.goto(`file://${html}`);
  await checking.getByLabel('Bundle').setInputFiles(bundle);
  await expect(
    checking.getByRole('heading', { name: 'Whole in itself, but nobody knows who signed it' })
  ).toBeVisible();
  const key = checking.getByLabel("Fingerprint of the server's key");
  await key.fill('ffff '.repeat(8));
  await key.blur();
  await expect(checking.getByRole('status')).toContainText(
    `It was signed by the key ${fingerprint}, not by ${'ffff '.repeat(8).trim()}, which you expect`
  );
  await key.fill(fingerprint);
  await checking.getByLabel('Session (optional)').fill(id);
  await checking.getByLabel('Session (optional)').blur();
  await expect(
    checking.getByRole('heading', { name: 'Whole: nothing was changed since it was signed.' })
  ).toBeVisible();
  await expect(checking.getByRole('status')).toContainText(fingerprint);
  await checking.screenshot({ path: 'results/verify.png' });
  await checking.getByLabel('Bundle').setInputFiles(tampered);
  await expect(checking.getByRole('heading', { name: 'Not to be relied on' })).toBeVisible();
  await expect(checking.getByRole('status')).toContainText('video.webm was changed after it was stored.');
  await expect(checking.getByRole('status')).toContainText(/The video was changed in its segment \d+, recorded until/);
  await offline.close();

  // With the pointer drawn into a second video, any player shows it, and the original stays unchanged.
  await page.getByLabel('with the pointer in the video').check();
  const second = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export signed bundle' }).click();
  const burned = info.outputPath('burned.zip');
  await (await second).saveAs(burned);
  expect(verify(burned, '--key', fingerprint).whole).toBe(true);
  const [original, drawn] = ['video.webm', 'video-with-pointer.webm'].map((name) => {
    const file = info.outputPath(name);
    const take = `import zipfile, sys; sys.stdout.buffer.write(zipfile.ZipFile('${burned}').read('${name}'))`;
    writeFileSync(file, execFileSync('python3', ['-c', take], { maxBuffer: 1 << 28 }));
    const probed = spawnSync('ffprobe', ['-v', 'warning', '-i', file]);
    expect(probed.stderr.toString()).toBe('');
    return file;
  }) as [string, string];
  // While the third colour was shown, the two differ in an arrow and nothing else.
  const place = (seen[2]!.at - spans[0].from) / 1000;
  const shown = (file: string) => {
    const times = execFileSync('ffprobe', [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-show_entries',
      'frame=pts_time',
      '-of',
      'csv=p=0',
      file
    ])
      .toString()
      .match(/[\d.]+/g)!;
    const frames = times.filter((time) => Number(time) <= place).length;
    const raw = ['-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
    return execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-frames:v', String(frames), ...raw], {
      maxBuffer: 1 << 29
    }).subarray(-1280 * 800);
  };
  const [plain, pointed] = [shown(original), shown(drawn)];
  const arrow = plain.reduce((n, grey, at) => n + Number(Math.abs(grey - pointed[at]!) > 20), 0);
  expect(arrow).toBeGreaterThan(30);
  expect(arrow).toBeLessThan(200);

  // The same from the command line beside the running server; export still works after a change of the key.
  const again = info.outputPath('again.zip');
  const told = spawnSync(join(BINARIES, 'deskside-server'), [
    '--data',
    fixture.server.data,
    'export',
    id,
    '--to',
    again
  ]);
  expect(told.stderr.toString()).not.toContain('Error');
  expect(verify(again, '--key', fingerprint).whole).toBe(true);
  spawnSync(join(BINARIES, 'deskside-server'), ['--data', fixture.server.data, 'rotate-key']);
  const later = info.outputPath('later.zip');
  spawnSync(join(BINARIES, 'deskside-server'), ['--data', fixture.server.data, 'export', id, '--to', later]);
  expect(verify(later, '--key', fingerprint).whole, 'the old key leads to the new one').toBe(true);
  expect(verify(later).output).not.toContain(`signed by the key ${fingerprint}`);
  // What an auditor noted at the first export is still in the timeline; the first bundle is not the current state.
  expect(verify(later, '--key', fingerprint, '--head', head).whole).toBe(true);
  const newest = verify(later).output.match(/last entry's hash is ([0-9a-f]{64})/)![1]!;
  expect(verify(bundle, '--key', fingerprint, '--head', newest).output).toContain(
    'NOT EXPECTED: The entry that you noted is not in the timeline'
  );
  await until('the exports are in the timeline', async () => {
    const { entries } = await (await page.request.get(`${fixture.server.url}/api/sessions/${id}`)).json();
    return entries.filter((e: { event: { type: string } }) => e.event.type === 'exported').length === 4;
  });

  // Found by a word of the chat, and opened at that moment; the timeline says who watched.
  await page.getByRole('link', { name: 'History', exact: true }).click();
  await page.getByLabel('Search all sessions').fill('log.tx');
  const hit = page.getByRole('listitem').filter({ hasText: 'Tom Becker with Ada Morgan' });
  await expect(hit.locator('mark')).toHaveText(['log.tx']);
  await page.screenshot({ path: 'results/search.png' });
  await hit.getByRole('link', { name: /fetched the file/ }).click();
  const carried = (await (await page.request.get(`${fixture.server.url}/api/sessions/${id}`)).json()).entries.find(
    (e: { event: { type: string } }) => e.event.type === 'file_carried'
  );
  await expect
    .poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime * 1000))
    .toBeCloseTo(moment(carried.at), -2);
  await page.getByRole('link', { name: 'History', exact: true }).click();
  await page.getByLabel('Search all sessions').fill('nobody-verifier-this');
  await expect(page.getByText('No matches in the sessions')).toBeVisible();

  // The reports.
  await page.getByRole('link', { name: 'Reports' }).click();
  await expect(page.getByRole('row', { name: /Tom Becker 1 1/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /closed by the technician 1 1/ })).toBeVisible();
  await page.screenshot({ path: 'results/reports.png', fullPage: true });
  const csv = page.waitForEvent('download');
  await page.getByRole('link', { name: 'CSV' }).click();
  expect(readFileSync(await (await csv).path(), 'utf8')).toContain(`${id},`);

  // A colleague of another team finds nothing and cannot open any address.
  const stranger = { ...TECHNICIAN, login: 'uwe', name: 'Uwe Fremd', email: 'uwe@northwind.example', team: 'Sales' };
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, fixture.server, ADMIN);
  expect(
    (
      await admin.request.post(`${fixture.server.url}/api/users`, { data: { ...stranger, administrator: false } })
    ).status()
  ).toBe(201);
  const uwe = await (await browser.newContext()).newPage();
  await signIn(uwe, fixture.server, stranger);
  expect(await (await uwe.request.get(`${fixture.server.url}/api/past?q=printer`)).json()).toEqual([]);
  for (const [method, path] of [
    ['get', ''],
    ['get', '/transcript.txt'],
    ['post', '/watch'],
    ['post', '/bundle']
  ] as const) {
    expect((await uwe.request[method](`${fixture.server.url}/api/sessions/${id}${path}`)).status(), path).toBe(403);
  }
  const { address } = await (await page.request.post(`${fixture.server.url}/api/sessions/${id}/watch`)).json();
  expect(
    (await uwe.request.get(`${fixture.server.url}${address}/recording.webm`)).status(),
    'a link is for one person'
  ).toBe(403);
  expect(
    (
      await page.request.post(`${fixture.server.url}/api/sessions/${id}/delete`, { data: { reason: 'no right' } })
    ).status()
  ).toBe(403);

  // The administrator: under legal hold nothing is deleted; then everything is, and a signed tombstone stays.
  await admin.goto(`${fixture.server.url}/console/history/${id}`);
  await admin.getByRole('button', { name: 'Legal hold' }).click();
  await admin.getByLabel('Reason').fill('case 4711');
  await admin.getByRole('button', { name: 'Put under legal hold' }).click();
  await expect(admin.getByText('Under legal hold by Eva Lindner: case 4711.')).toBeVisible();
  await expect(admin.getByRole('button', { name: 'Delete' })).toBeDisabled();
  expect(
    (await admin.request.post(`${fixture.server.url}/api/sessions/${id}/delete`, { data: { reason: 'x' } })).status()
  ).toBe(409);
  await admin.getByRole('button', { name: 'End the legal hold' }).click();
  await admin.getByLabel('Reason').fill('the case is closed');
  await admin.getByRole('button', { name: 'End the hold' }).click();
  await admin.getByRole('button', { name: 'Delete' }).click();
  await admin.getByLabel('Reason').fill('asked for by the customer');
  await admin.getByRole('button', { name: 'Delete for good' }).click();
  await expect(admin.getByText(/Deleted by Eva Lindner on .*: asked for by the customer\./)).toBeVisible();
  await admin.screenshot({ path: 'results/deleted.png' });
  expect((await admin.request.get(`${fixture.server.url}/api/sessions/${id}`)).status()).toBe(404);
  expect(await (await admin.request.get(`${fixture.server.url}/api/past?q=printer`)).json()).toEqual([]);
  expect(readdirSync(join(fixture.server.data, 'recordings')).filter((f) => f.startsWith(id))).toEqual([]);
});

test('retention rules delete old evidence, except under legal hold', async ({ page }) => {
  await signIn(page, fixture.server, ADMIN);
  const api = page.request;
  const url = (path: string) => `${fixture.server.url}/api/${path}`;
  const made: string[] = [];
  for (let n = 0; n < 3; n++) {
    const { session } = await (await api.post(url(`incidents/${fixture.incident}/sessions`))).json();
    expect((await api.post(url(`sessions/${session}/close`))).ok()).toBe(true);
    await until('it is stored', async () => (await (await api.get(url(`sessions/${session}`))).json()).history.stored);
    made.push(session);
  }
  const [old, held, young] = made as [string, string, string];
  expect((await api.post(url(`sessions/${held}/legal-hold`), { data: { on: true, reason: 'case 4711' } })).ok()).toBe(
    true
  );
  const settings = await (await api.get(url('settings'))).json();
  const rule = { team: '', kind: 'Incident', days: 30 };
  expect((await api.put(url('settings'), { data: { ...settings, retention: [rule] } })).ok()).toBe(true);
  // Two of them ended 31 days ago.
  const month = 31 * 86_400_000;
  const sql = `UPDATE past SET ended = ended - ${month} WHERE session IN ('${old}', '${held}')`;
  const age = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=10); c.execute(sys.argv[2]); c.commit()';
  expect(
    spawnSync('/usr/bin/python3', ['-c', age, join(fixture.server.data, 'deskside.sqlite'), sql]).stderr.toString()
  ).toBe('');
  // The rules are applied when the server starts, and every ten minutes.
  await fixture.server.kill();
  await fixture.server.run();
  await until('the old one is gone', async () => (await api.get(url(`sessions/${old}`))).status() === 404);
  for (const kept of [held, young]) expect((await api.get(url(`sessions/${kept}`))).status()).toBe(200);
  const { journal } = await (await api.get(url(`incidents/${fixture.incident}`))).json();
  const stone = journal.find((e: { content: { session?: string } }) => e.content.session === old).content.tombstone;
  expect([stone.by, stone.reason]).toEqual(['the rules of retention', 'older than 30 days']);
});
