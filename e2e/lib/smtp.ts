// A real mail server with STARTTLS and authentication, and the mails that it has accepted.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Certificate, end, freePort, until } from './processes';

export interface Received {
  to: string[];
  subject: string;
  parts: Record<string, string>;
  tls: boolean;
  authenticated: boolean;
  /** Its Message-ID, and the ids of the mails that it answers. */
  id: string;
  references: string | null;
}

export class MailServer {
  readonly received: Received[] = [];
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
    private readonly tls: Certificate
  ) {}

  static async start(tls: Certificate): Promise<MailServer> {
    const port = await freePort();
    const child = spawn(
      '/usr/bin/python3',
      [join(import.meta.dirname, 'smtp.py'), tls.certificate, tls.key, String(port)],
      { stdio: ['pipe', 'pipe', 'inherit'] }
    );
    const server = new MailServer(child, port, tls);
    let up = false;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const said = JSON.parse(line);
      if (said.port) up = true;
      else server.received.push(said);
    });
    await until('the mail server listens', () => up);
    return server;
  }

  /** The settings with which a server sends through it. */
  options(from: string): string[] {
    return [
      '--smtp-url',
      `smtp://desk:sesame@localhost:${this.port}?tls=required`,
      '--smtp-ca',
      this.tls.certificate,
      '--mail-from',
      from
    ];
  }

  stop = () => end(this.child, 'SIGKILL');
}
