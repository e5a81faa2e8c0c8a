// Disks that fill up, hang or lose power. What was recorded plays; what cannot be stored is reported.

import { expect, test, type Page } from '@playwright/test';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answer, CUSTOMER, seed, generate, runProgram, signIn } from '../lib/people';
import { Desktop, Server, until } from '../lib/processes';
import { close, recorded } from '../lib/remains';

let desktop: Desktop;
test.beforeAll(async () => void (desktop = await Desktop.start()));
test.afterAll(() => desktop.stop());

async function shared(page: Page, server: Server, request: Parameters<typeof runProgram>[2]) {
  await seed(server, request);
  await signIn(page, server);
  const { link } = await generate(page, server, 1);
  await runProgram(
    server,
    desktop,
    request,
    { link: link.split('#')[1]! },
    { HOME: mkdtempSync(join(tmpdir(), 'deskside-home-')) }
  );
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(desktop, 'control');
  await expect(page.locator('canvas.picture')).toBeVisible();
  return page.url().match(/sessions\/([^/?]+)/)![1]!;
}

test('a full disk stops sharing, not the chat, and everything is stored once there is space', async ({
  page,
  request
}, info) => {
  // A disk of 28 MB in a mount namespace, so that no rights on this machine are needed.
  const data = mkdtempSync(join(tmpdir(), 'deskside-small-'));
  const mount = `mount -t tmpfs -o size=28m tmpfs '${data}' && exec "$0" "$@"`;
  const allowed = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]);
  test.skip(allowed.status !== 0, `this machine lets nobody mount a file system: ${allowed.stderr}`);
  const server = await Server.start(['--disk-floor-mib', '16'], undefined, data, ['unshare', '-rm', 'sh', '-c', mount]);
  const inside = (command: string) =>
    execFileSync('nsenter', [
      '-t',
      String(server.pid),
      '-U',
      '-m',
      '--preserve-credentials',
      'sh',
      '-c',
      command
    ]).toString();
  try {
    const session = await shared(page, server, request);
    // A terminal full of random letters, which do not compress.
    const noise = desktop.open('xterm', [
      '-geometry',
      '200x58+0+0',
      '-e',
      'sh',
      '-c',
      'while :; do head -c 9000 /dev/urandom | base64 -w 200; done'
    ]);
    await expect(page.getByText("The recording cannot go on: the server's disk is nearly full")).toBeVisible({
      timeout: 60_000
    });
    noise.kill();
    await expect(page.locator('canvas.picture')).toBeHidden();
    await until('the customer’s panel is gone', () => !desktop.hasWindow('^Your screen is shared$'));
    await page.getByLabel('Message').fill('We go on by chat.');
    await page.getByLabel('Message').press('Enter');
    await expect(page.getByRole('listitem').filter({ hasText: 'We go on by chat.' })).toBeVisible();
    await page.screenshot({ path: 'results/disk-full.png' });

    // Not one byte is free: nothing is stored, nothing breaks, and whoever acts is told.
    inside(`cd '${data}' && head -c 100000000 /dev/zero > filler || true`);
    await page.getByRole('button', { name: 'End session' }).click();
    await page.getByRole('button', { name: /^Close session/ }).click();
    await expect(page.getByText(/The server cannot store anything at the moment/)).toBeVisible();
    inside(`rm '${data}/filler'`);

    // There is no space for the video either: the incident says so, and that it is tried again.
    inside(`cd '${data}' && head -c $(($(df --output=avail -B1 . | tail -1) - 3000000)) /dev/zero > filler`);
    const entry = await close(page);
    await expect(async () => {
      await page.reload();
      await expect(entry.getByRole('alert')).toContainText("It could not be stored: the server's disk is nearly full", {
        timeout: 4_000
      });
    }).toPass();
    await expect(entry.getByText('waiting', { exact: true })).toBeVisible();
    await page.screenshot({ path: 'results/not-stored.png' });

    // Space is freed: the video is stored automatically, and plays to its end.
    inside(`rm '${data}/filler' && mount -o remount,size=100m '${data}'`);
    await expect(async () => {
      await page.reload();
      await expect(entry.getByText('linked', { exact: true })).toBeVisible({ timeout: 4_000 });
    }).toPass({ timeout: 40_000 });
    const video = await recorded(page.request, server, session, info.outputPath('all.webm'));
    expect(video.complaints).toBe('');
    expect(video.pictures).toBeGreaterThan(5);
  } finally {
    spawnSync('pkill', ['-KILL', '-f', join(data, 'deskside-support')]);
    await server.stop();
  }
});

test('a hanging disk delays nobody, sharing ends by the policy, and what was written plays', async ({
  page,
  request
}, info) => {
  // Only recordings are on it: a file system that blocks writes while it is frozen, like a disk that is away for a
  // while.
  const folder = mkdtempSync(join(tmpdir(), 'deskside-slow-'));
  const [image, data] = [join(folder, 'disk.img'), join(folder, 'data')];
  const slow = join(data, 'recordings');
  mkdirSync(slow, { recursive: true });
  execFileSync('sh', ['-c', `truncate -s 512M '${image}' && /usr/sbin/mkfs.ext4 -q '${image}'`]);
  const mounted = spawnSync('mount', ['-o', 'loop', image, slow]);
  test.skip(mounted.status !== 0, `this machine lets nobody mount a file system: ${mounted.stderr}`);
  const server = await Server.start([], undefined, data);
  let frozen = false;
  try {
    const session = await shared(page, server, request);
    const noise = desktop.open('xterm', [
      '-geometry',
      '200x58+0+0',
      '-e',
      'sh',
      '-c',
      'while :; do head -c 3000 /dev/urandom | base64 -w 200; sleep 0.05; done'
    ]);
    await until('some of it is on the disk', () =>
      readdirSync(slow).some((name) => statSync(join(slow, name)).size > 1_000_000)
    );
    execFileSync('/usr/sbin/fsfreeze', ['-f', slow]);
    frozen = true;
    const hung = Date.now();
    // Pictures, chat and input continue: they do not wait for the disk.
    await page.getByLabel('Message').fill('Do you still hear me?');
    await page.getByLabel('Message').press('Enter');
    await expect(page.getByRole('listitem').filter({ hasText: 'Do you still hear me?' })).toBeVisible({
      timeout: 3_000
    });
    const drawn = () =>
      page
        .locator('canvas.picture')
        .evaluate((canvas: HTMLCanvasElement) =>
          [...canvas.getContext('2d')!.getImageData(100, 100, 200, 20).data].join()
        );
    const before = await drawn();
    await expect.poll(drawn, { timeout: 3_000 }).not.toBe(before);
    // The data that waits for the disk is limited; beyond that an error is shown, and nothing is shared unrecorded.
    await expect(page.getByText("The recording cannot go on: the server's disk cannot keep up")).toBeVisible({
      timeout: 90_000
    });
    console.log(`it was given up after ${Math.round((Date.now() - hung) / 1000)} s`);
    await expect(page.locator('canvas.picture')).toBeHidden();
    await until('the customer’s panel is gone', () => !desktop.hasWindow('^Your screen is shared$'));
    noise.kill();
    execFileSync('/usr/sbin/fsfreeze', ['-u', slow]);
    frozen = false;
    const entry = await close(page);
    await expect(async () => {
      await page.reload();
      await expect(entry.getByText('linked', { exact: true })).toBeVisible({ timeout: 4_000 });
    }).toPass({ timeout: 60_000 });
    const video = await recorded(page.request, server, session, info.outputPath('all.webm'));
    expect(video.complaints).toBe('');
    expect(video.pictures).toBeGreaterThan(20);
  } finally {
    if (frozen) execFileSync('/usr/sbin/fsfreeze', ['-u', slow]);
    spawnSync('pkill', ['-KILL', '-f', join(data, 'deskside-support')]);
    await server.kill();
    spawnSync('umount', [slow]);
    rmSync(folder, { recursive: true, force: true });
  }
});

test('after a power cut, everything recorded two seconds earlier is there', async ({ page, request }, info) => {
  const folder = mkdtempSync(join(tmpdir(), 'deskside-power-'));
  const [image, cut, data, after] = ['disk.img', 'cut.img', 'data', 'after'].map((n) => join(folder, n)) as [
    string,
    string,
    string,
    string
  ];
  mkdirSync(data);
  mkdirSync(after);
  execFileSync('sh', ['-c', `truncate -s 256M '${image}' && /usr/sbin/mkfs.ext4 -q '${image}'`]);
  const mounted = spawnSync('mount', ['-o', 'loop', image, data]);
  test.skip(mounted.status !== 0, `this machine lets nobody mount a file system: ${mounted.stderr}`);
  let server = await Server.start(['--grace-seconds', '5'], undefined, data);
  try {
    const session = await shared(page, server, request);
    const seen: { colour: string; at: number }[] = [];
    for (const colour of ['#204060', '#a02030', '#30a050', '#c09020', '#7040a0', '#209090']) {
      desktop.open('xsetroot', ['-solid', colour]);
      await page.waitForFunction((c) => {
        const canvas = document.querySelector<HTMLCanvasElement>('canvas.picture')!;
        const [r, g, b] = canvas.getContext('2d')!.getImageData(canvas.width - 80, canvas.height - 80, 1, 1).data;
        return `#${[r, g, b].map((n) => n!.toString(16).padStart(2, '0')).join('')}` === c;
      }, colour);
      seen.push({ colour, at: Date.now() });
      // Time is the subject here: the colours must be older and younger than two seconds when the power is cut.
      await page.waitForTimeout(700);
    }
    // The content of the disk at this moment, without what is only in the memory of the file system.
    const moment = Date.now();
    execFileSync('cp', ['--sparse=always', image, cut]);
    await server.kill();
    execFileSync('mount', ['-o', 'loop', cut, after]);
    server = await Server.start(['--grace-seconds', '1'], undefined, after);
    await signIn(page, server);
    const video = await recorded(page.request, server, session, info.outputPath('after.webm'));
    expect(video.complaints).toBe('');
    const { film: spans } = await (await page.request.get(`${server.url}/api/sessions/${session}`)).json();
    const safe = seen.filter((s) => s.at <= moment - 2_000).at(-1)!;
    expect(safe.colour, 'there was time for some').not.toBe(seen[0]!.colour);
    const place = (safe.at - spans[0].from) / 1000;
    // The picture that is shown at this position: seeking alone finds the next one, which may have the next colour.
    const still = ['-vf', 'fps=20', '-ss', String(place), '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
    const frame = execFileSync('ffmpeg', ['-v', 'error', '-i', info.outputPath('after.webm'), ...still], {
      maxBuffer: 1 << 26
    });
    const pixel = frame.subarray((720 * 1280 + 1200) * 3).subarray(0, 3);
    expect(
      `#${pixel.toString('hex')}`,
      `what was on the screen ${Math.round(moment - safe.at)} ms before the cut`
    ).toBe(safe.colour);
    console.log(
      `cut ${Math.round(moment - seen.at(-1)!.at)} ms after the last colour; ${video.pictures} pictures are there`
    );
  } finally {
    // SIGKILL: a program that ends in its own time keeps its folder busy.
    spawnSync('pkill', ['-KILL', '-f', join(folder, '.*deskside-support')]);
    await server.stop().catch(() => undefined);
    spawnSync('umount', [data]);
    spawnSync('umount', [after]);
    rmSync(folder, { recursive: true, force: true });
  }
});
