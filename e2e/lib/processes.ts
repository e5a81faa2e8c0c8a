// The real parts: server, virtual desktop, support program. Each is started for a test and ends with it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');
/** The folder of the programs. */
export const BINARIES = process.env.DESKSIDE_BIN ?? join(ROOT, 'target/debug');

/** A folder in memory, if there is one: the database syncs at every event, and other writes can delay that. */
export const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** The program that customers download, without debugging symbols: made once for a run. */
let stripped: string | undefined;
function program(): string {
  if (stripped) return stripped;
  const file = join(mkdtempSync(join(tmpdir(), 'deskside-program-')), 'deskside-support');
  execFileSync('strip', ['-o', file, join(BINARIES, 'deskside-support')]);
  return (stripped = file);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** Waits until `ask` returns something: a condition, not a time. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  ms = 20_000
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const got = await ask();
    if (got) return got;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

export function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once('exit', () => done());
    child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), 6_000).unref();
  });
}

export interface Certificate {
  certificate: string;
  key: string;
}

/** A self-signed certificate for localhost. */
export function certificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'deskside-tls-'));
  const made = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost'
  ];
  const extensions = ['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE'];
  execFileSync('openssl', [...request, ...extensions, '-keyout', made.key, '-out', made.certificate], {
    stdio: 'ignore'
  });
  return made;
}

export class Server {
  url: string;
  log = '';
  private child?: ChildProcess;

  /** The command-line options; a change applies from the next start on. */
  private constructor(
    readonly port: number,
    public options: string[],
    readonly data: string,
    private before: string[]
  ) {
    this.url = `http://localhost:${port}`;
  }

  /** `data` is its folder, created if none is given; `before` is a command that starts the program. */
  static async start(
    options: string[] = [],
    tls?: Certificate,
    data = mkdtempSync(join(MEMORY, 'deskside-e2e-')),
    before: string[] = [],
    port?: number
  ): Promise<Server> {
    port ??= await freePort();
    const secure = tls ? ['--tls-certificate', tls.certificate, '--tls-key', tls.key] : [];
    const server = new Server(port, [...secure, ...options], data, before);
    if (tls) server.url = `https://localhost:${port}`;
    await server.run();
    return server;
  }

  async run() {
    const floor = this.options.includes('--disk-floor-mib') ? [] : ['--disk-floor-mib', '1'];
    // The other systems of a test run on this machine.
    const outbound = this.options.includes('--outbound-networks') ? [] : ['--outbound-networks', '127.0.0.0/8,::1'];
    const common = [
      '--listen',
      `127.0.0.1:${this.port}`,
      '--data',
      this.data,
      '--support-program',
      program(),
      ...floor,
      ...outbound
    ];
    const [command, ...rest] = [...this.before, join(BINARIES, 'deskside-server'), ...common, ...this.options];
    const child = spawn(command!, rest, { stdio: 'pipe' });
    this.child = child;
    const hear = (chunk: Buffer) => (this.log += chunk.toString());
    child.stdout!.on('data', hear);
    child.stderr!.on('data', hear);
    const before = this.log.length;
    await until('the server listens', () => this.log.slice(before).includes('Deskside is at'));
  }

  /** The id of the running process. */
  get pid(): number {
    return this.child!.pid!;
  }

  /** The set-up link that a new server prints once it listens. */
  async setupLink(): Promise<string> {
    const said = await until('the set-up link is printed', () => this.log.match(/http\S+\/setup#\S+\n/));
    return said[0].trim();
  }

  /** Changes the database, as passing time would. */
  sql(statement: string) {
    const script = 'import sqlite3,sys; db=sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()';
    execFileSync('python3', ['-c', script, join(this.data, 'deskside.sqlite'), statement]);
  }

  /** Kills it with SIGKILL, like a power cut. */
  async kill() {
    await end(this.child!, 'SIGKILL');
  }

  /** Stops it. A server that panicked is a failure, whatever the pages showed. */
  async stop() {
    await end(this.child!);
    rmSync(this.data, { recursive: true, force: true });
    const at = this.log.indexOf('panicked at');
    if (at >= 0) throw new Error(`the server panicked: ${this.log.slice(Math.max(0, at - 200), at + 1_500)}`);
  }
}

/** A virtual desktop with a window manager. */
export class Desktop {
  private constructor(
    readonly display: string,
    private children: ChildProcess[]
  ) {}

  static async start(size = '1280x800', extra: string[] = []): Promise<Desktop> {
    const xvfb = spawn(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', `${size}x24`, '-nolisten', 'tcp', '-noreset', ...extra],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] }
    );
    const number = await new Promise<string>((done) =>
      xvfb.stdio[3]!.once('data', (d: Buffer) => done(d.toString().trim()))
    );
    const desktop = new Desktop(`:${number}`, [xvfb]);
    desktop.open('xsetroot', ['-solid', '#3a6ea5']);
    desktop.open('openbox', []);
    return desktop;
  }

  get env() {
    return { ...process.env, DISPLAY: this.display, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' };
  }

  /** Opens an application on this desktop. */
  open(program: string, args: string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn(program, args, { env: { ...this.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.push(child);
    return child;
  }

  xdotool(...args: string[]): string {
    return execFileSync('xdotool', args, { env: this.env }).toString();
  }

  /** Waits for the window of this title. */
  async window(title: string): Promise<string> {
    return until(`a window ${title}`, () => {
      try {
        return this.xdotool('search', '--onlyvisible', '--name', title).trim().split('\n')[0];
      } catch {
        return undefined;
      }
    });
  }

  hasWindow(title: string): boolean {
    try {
      return this.xdotool('search', '--onlyvisible', '--name', title).trim() !== '';
    } catch {
      return false;
    }
  }

  /** Presses keys in a window. */
  async keys(title: string, ...keys: string[]) {
    const id = await this.window(title);
    this.xdotool('windowactivate', '--sync', id);
    this.xdotool('key', '--delay', '60', ...keys);
  }

  /** Resizes the screen, as docking a laptop does. */
  resize(width: number, height: number) {
    const name = `${width}x${height}-again`;
    const all = (n: number) => Array(4).fill(String(n));
    for (const args of [
      ['--newmode', name, '60', ...all(width), ...all(height)],
      ['--addmode', 'screen', name],
      ['--output', 'screen', '--mode', name]
    ]) {
      execFileSync('xrandr', args, { env: this.env, stdio: 'ignore' });
    }
  }

  /** The screen's pixels as RGB bytes, and its size. */
  pixels(): { width: number; height: number; rgb: Buffer } {
    const png = execFileSync('import', ['-window', 'root', '-depth', '8', 'ppm:-'], {
      env: this.env,
      maxBuffer: 1 << 28
    });
    const head = png
      .subarray(0, 64)
      .toString('latin1')
      .match(/^P6\s+(\d+)\s+(\d+)\s+255\s/)!;
    return { width: Number(head[1]), height: Number(head[2]), rgb: png.subarray(head[0].length) };
  }

  screenshot(path: string) {
    execFileSync('import', ['-window', 'root', path], { env: this.env });
  }

  async stop() {
    for (const child of this.children.reverse()) await end(child, 'SIGKILL');
  }
}
