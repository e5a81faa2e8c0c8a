// The fixture of a test file: a server with one incident, a virtual desktop, and optionally a network between them.

import { type APIRequestContext, expect, type Page, test } from '@playwright/test';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { CUSTOMER, seed, generate, runProgram, signIn } from './people';
import { Desktop, freePort, MEMORY, Server } from './processes';
import { Proxy } from './proxy';

interface Options {
  /** The server's arguments. */
  server?: string[];
  /** The desktop's size in pixels. */
  size?: string;
  /** Whether everybody connects over a network that can be cut and slowed down. */
  proxied?: boolean;
}

export class Fixture {
  server!: Server;
  desktop!: Desktop;
  network!: Proxy;
  incident!: number;
  /** The home folder of the customer. */
  readonly home = mkdtempSync(join(MEMORY, 'deskside-home-'));

  async open({ server = [], size, proxied }: Options, request: APIRequestContext) {
    if (proxied) {
      const port = await freePort();
      this.server = await Server.start(['--public-url', `http://localhost:${port}`, ...server]);
      this.network = await Proxy.start(port, () => this.server.port);
      this.server.url = `http://localhost:${port}`;
    } else {
      this.server = await Server.start(server);
    }
    this.desktop = await Desktop.start(size);
    ({ incident: this.incident } = await seed(this.server, request));
  }

  async close() {
    await this.desktop?.stop();
    this.network?.stop();
    await this.server?.stop();
  }

  /** Removes what the next test must not find: running programs, a slow network. */
  cleanUp() {
    if (this.network) this.network.rate = Infinity;
    spawnSync('pkill', ['-f', join(this.server.data, 'deskside-support')]);
  }

  /** The technician signs in, and the customer joins with the support program. */
  async join(
    page: Page,
    request: APIRequestContext,
    env: Record<string, string> = {}
  ): Promise<ChildProcess & { file: string }> {
    await signIn(page, this.server);
    const { link } = await generate(page, this.server, this.incident);
    const form = { link: link.split('#')[1]! };
    const program = await runProgram(this.server, this.desktop, request, form, { HOME: this.home, ...env });
    await expect(page.getByText(`${CUSTOMER.name} is here`)).toBeVisible();
    return program;
  }
}

/** Sets up the fixture for all tests of the calling file. Its parts are available while tests run. */
export function useFixture(options: Options = {}): Fixture {
  const fixture = new Fixture();
  test.beforeAll(async ({ playwright }) => {
    const request = await playwright.request.newContext();
    await fixture.open(options, request);
    await request.dispose();
  });
  test.afterEach(async ({}, info) => {
    if (info.status !== info.expectedStatus) {
      fixture.desktop.screenshot(info.outputPath('desktop.png'));
      console.log(fixture.server.log.slice(-8_000));
    }
    fixture.cleanUp();
  });
  test.afterAll(() => fixture.close());
  return fixture;
}
