// Transports and formats of the picture: QUIC if it gets through, otherwise a WebSocket; and a format that the
// browser shows.

import { type Browser, expect, type Page, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { answer, CUSTOMER, differing, seed, generate, runProgram, signIn } from '../lib/people';
import { type Certificate, certificate, Desktop, freePort, Server } from '../lib/processes';
import { Proxy } from '../lib/proxy';

let desktop: Desktop;

test.beforeAll(async () => {
  desktop = await Desktop.start();
  desktop.open('xterm', [
    '-geometry',
    '80x20+40+40',
    '-e',
    'sh',
    '-c',
    'ls --color=always -l /usr/share | head -18; exec sh'
  ]);
});
test.afterAll(async () => desktop?.stop());

/** The hash by which Chromium trusts this certificate's key for QUIC, too. */
function fingerprint(tls: Certificate): string {
  const key = execFileSync('openssl', ['x509', '-in', tls.certificate, '-pubkey', '-noout']);
  const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'der'], { input: key });
  return createHash('sha256').update(der).digest('base64');
}

type Request = Parameters<typeof runProgram>[2];

async function share(page: Page, server: Server, tls: Certificate | null, request: Request) {
  const program = await offer(page, server, tls, request);
  await expect(page.locator('canvas.picture')).toBeVisible();
  return program;
}

async function offer(page: Page, server: Server, tls: Certificate | null, request: Request) {
  await signIn(page, server);
  const { link } = await generate(page, server, 1);
  const trust: Record<string, string> = tls ? { SSL_CERT_FILE: tls.certificate } : {};
  const program = await runProgram(server, desktop, request, { link: link.split('#')[1]! }, trust);
  await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
  await page.getByRole('button', { name: 'Share screen' }).click();
  await answer(desktop, 'control');
  return program;
}

async function ways(page: Page) {
  await page.getByRole('button', { name: 'Connection' }).click();
  const panel = page.getByRole('region', { name: 'Connection' });
  await expect(panel).toContainText(/Customer to the server\s*(\d|under)/);
  await expect(panel.getByRole('row', { name: /Encode/ })).toContainText('ms');
  return panel;
}

test('both sides use QUIC if it gets through, otherwise a WebSocket', async ({ playwright }) => {
  const tls = certificate();
  const server = await Server.start([], tls);
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--webtransport-developer-mode',
    '--host-resolver-rules=MAP localhost 127.0.0.1',
    `--ignore-certificate-errors-spki-list=${fingerprint(tls)}`
  ];
  const browser: Browser = await playwright.chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args
  });
  const request = await playwright.request.newContext({ ignoreHTTPSErrors: true });
  let network: Proxy | undefined;
  try {
    await seed(server, request);
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const program = await share(page, server, tls, request);
    const panel = await ways(page);
    await expect(panel.getByText('QUIC')).toHaveCount(2);
    await page.screenshot({ path: 'results/connection.png' });
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    program.kill('SIGKILL');

    // The same server behind a proxy that lets only TCP through.
    const port = await freePort();
    network = await Proxy.start(port, () => server.port);
    await server.kill();
    const behind = await Server.start(['--public-url', `https://localhost:${port}`], tls);
    network.stop();
    network = await Proxy.start(port, () => behind.port);
    behind.url = `https://localhost:${port}`;
    await seed(behind, request);
    const second = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const again = await share(second, behind, tls, request);
    const plain = await ways(second);
    await expect(plain.getByText('WebSocket')).toHaveCount(2);
    await expect.poll(() => differing(second, desktop), { timeout: 20_000 }).toBe(0);
    again.kill('SIGKILL');
    await behind.stop();
  } finally {
    await browser.close();
    await request.dispose();
    network?.stop();
    await server.stop();
  }
});

test('a browser without a decoder shows every pixel with the decoder of the page', async ({ page, request }) => {
  const server = await Server.start();
  try {
    await seed(server, request);
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'VideoDecoder'));
    await share(page, server, null, request);
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    desktop.open('xterm', ['-geometry', '30x8+600+300', '-e', 'sh', '-c', 'ls --color=always /usr; exec sh']);
    await desktop.window('^sh$|xterm');
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    await page.getByRole('button', { name: 'Connection' }).click();
    await expect(page.getByRole('region', { name: 'Connection' })).toContainText('AV1 4:4:4, decoded by this page');
  } finally {
    await server.stop();
  }
});

/** A decoder that refuses AV1's profile 1, as hardware does: the profile is the three bits after the sequence header's two bytes. */
function refuseProfile1() {
  const native = VideoDecoder.prototype.decode;
  VideoDecoder.prototype.decode = function (chunk: EncodedVideoChunk) {
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    const at = bytes[0] === 0x12 ? 2 : 0;
    if (chunk.type === 'key' && bytes[at + 2]! >> 5 === 1) throw new DOMException('profile', 'NotSupportedError');
    return native.call(this, chunk);
  };
}

test('a browser that shows 4:4:4 wrongly shows it with the decoder of the page', async ({ page, request }) => {
  const server = await Server.start();
  try {
    await seed(server, request);
    await page.addInitScript(refuseProfile1);
    await share(page, server, null, request);
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    await page.getByRole('button', { name: 'Connection' }).click();
    await expect(page.getByRole('region', { name: 'Connection' })).toContainText('AV1 4:4:4, decoded by this page');
  } finally {
    await server.stop();
  }
});

test('a browser that can load no decoder says so', async ({ page, request }) => {
  const server = await Server.start();
  try {
    await seed(server, request);
    await page.addInitScript(refuseProfile1);
    await page.route('**/decoder*.wasm', (route) => route.abort());
    await offer(page, server, null, request);
    await expect(page.getByText('This browser cannot show the screen.')).toBeVisible({ timeout: 20_000 });
  } finally {
    await server.stop();
  }
});

test('a decoder that the browser takes away is replaced', async ({ page, request }) => {
  const server = await Server.start();
  try {
    await seed(server, request);
    await page.addInitScript(() => {
      const native = VideoDecoder.prototype.decode;
      VideoDecoder.prototype.decode = function (chunk: EncodedVideoChunk) {
        Object.assign(globalThis, { lastDecoder: this });
        return native.call(this, chunk);
      };
    });
    await share(page, server, null, request);
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    // As browsers do in tabs that are long in the background.
    await page.evaluate(() => (globalThis as unknown as { lastDecoder: VideoDecoder }).lastDecoder.close());
    desktop.open('xterm', ['-geometry', '20x5+700+500']);
    await desktop.window('xterm');
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
  } finally {
    await server.stop();
  }
});

test('a viewer who opens the screen again sees every pixel of it', async ({ page, request }) => {
  const server = await Server.start();
  try {
    await seed(server, request);
    await share(page, server, null, request);
    // More pictures than a late viewer is sent.
    desktop.open('xterm', [
      '-geometry',
      '30x8+700+400',
      '-e',
      'sh',
      '-c',
      'for i in $(seq 40); do echo $i; sleep 0.05; done; exec sh'
    ]);
    await expect.poll(() => differing(page, desktop), { timeout: 20_000 }).toBe(0);
    for (let again = 0; again < 4; again++) {
      await page.reload();
      await expect.poll(() => differing(page, desktop), { timeout: 10_000 }).toBe(0);
    }
  } finally {
    await server.stop();
  }
});
