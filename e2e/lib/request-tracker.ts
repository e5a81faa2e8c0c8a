// A real Request Tracker 5 from Debian's packages, with a database of its own.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { join } from 'node:path';
import { end, freePort, MEMORY, until } from './processes';

const PACKAGED = '/var/lib/dbconfig-common/sqlite3/request-tracker5/rtdb';

export class RequestTracker {
  url = '';
  token = '';
  private child?: ChildProcess;

  private constructor(
    private readonly folder: string,
    private readonly port: number
  ) {
    this.url = `http://localhost:${port}`;
  }

  /** `link` is the template of the link from a ticket's page to Deskside. */
  static async start(link: string): Promise<RequestTracker> {
    const folder = mkdtempSync(join(MEMORY, 'deskside-rt-'));
    const rt = new RequestTracker(folder, await freePort());
    copyFileSync(PACKAGED, join(folder, 'rtdb'));
    chmodSync(join(folder, 'rtdb'), 0o600);
    mkdirSync(join(folder, 'none'));
    // Its mails go to a file.
    writeFileSync(join(folder, 'sendmail'), `#!/bin/sh\ncat >> ${join(folder, 'mails')}\n`, { mode: 0o755 });
    const settings: [string, string][] = [
      ['DatabaseType', `'SQLite'`],
      ['DatabaseName', `'${join(folder, 'rtdb')}'`],
      ['rtname', `'test'`],
      ['Organization', `'test'`],
      ['WebDomain', `'localhost'`],
      ['WebPort', String(rt.port)],
      ['WebPath', `''`],
      ['LogToSTDERR', `'error'`],
      ['LogToSyslog', `undef`],
      ['MailCommand', `'sendmailpipe'`],
      ['SendmailPath', `'${join(folder, 'sendmail')}'`],
      ['RecordOutgoingEmail', '0'],
      ['NotifyActor', '1']
    ];
    const text = settings.map(([name, value]) => `Set($${name}, ${value});`).join('\n');
    writeFileSync(join(folder, 'RT_SiteConfig.pm'), `${text}\n1;\n`);
    rt.token = execFileSync('perl', [join(import.meta.dirname, 'request-tracker.pl'), link], { env: rt.env })
      .toString()
      .trim();
    await rt.up();
    return rt;
  }

  private get env() {
    return {
      ...process.env,
      RT_SITE_CONFIG: join(this.folder, 'RT_SiteConfig.pm'),
      RT_SITE_CONFIG_DIR: join(this.folder, 'none')
    };
  }

  async up() {
    const server = '/usr/share/request-tracker5/libexec/rt-server';
    this.child = spawn(server, ['--port', String(this.port), '--host', '127.0.0.1'], {
      env: this.env,
      stdio: 'ignore',
      detached: true
    });
    await until(
      'Request Tracker answers',
      () =>
        fetch(`${this.url}/REST/2.0/rt`, { headers: this.headers }).then(
          (a) => a.ok,
          () => false
        ),
      60_000
    );
  }

  /** Stops it, as an outage would. */
  async down() {
    try {
      process.kill(-this.child!.pid!, 'SIGKILL');
    } catch {
      // It has already ended.
    }
    await end(this.child!, 'SIGKILL');
    await until('Request Tracker is gone', () =>
      fetch(this.url).then(
        () => false,
        () => true
      )
    );
  }

  private get headers() {
    return { authorization: `token ${this.token}`, 'content-type': 'application/json' };
  }

  async ask<T>(path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/REST/2.0/${path}`, {
      headers: this.headers,
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {})
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json() as Promise<T>;
  }

  /** Changes a ticket there. */
  async change(ticket: string, fields: Record<string, string>) {
    const answer = await fetch(`${this.url}/REST/2.0/ticket/${ticket}`, {
      method: 'PUT',
      headers: this.headers,
      body: JSON.stringify(fields)
    });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  }

  /** The entries of a ticket in order: kind and text. */
  async entries(ticket: string): Promise<{ kind: string; subject: string; text: string }[]> {
    type List = { items: { id: string; Type: string; Data: string }[] };
    const { items } = await this.ask<List>(`ticket/${ticket}/history?fields=Type,Data&per_page=100`);
    const said = items.filter((i) => i.Type === 'Comment' || i.Type === 'Correspond');
    return Promise.all(
      said.map(async ({ id, Type, Data }) => {
        const attachments = await this.ask<{ items: { id: string }[] }>(`transaction/${id}/attachments`);
        const contents = await Promise.all(
          attachments.items.map((a) => this.ask<{ Content?: string }>(`attachment/${a.id}`))
        );
        const text = contents.map((c) => Buffer.from(c.Content ?? '', 'base64').toString()).join('');
        return { kind: Type, subject: Data.trim(), text };
      })
    );
  }

  /** All mails that it has sent. */
  get mails(): string {
    const file = join(this.folder, 'mails');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async stop() {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
