// A real mailbox: Dovecot with one user, over IMAP and TLS.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, end, freePort, MEMORY, until } from './processes';

export const MAILBOX = { user: 'help@northwind.example', password: 'sesame' };

export class Mailbox {
  port = 0;
  /** The port with STARTTLS. */
  plainPort = 0;
  private child?: ChildProcess;
  private count = 0;
  private constructor(
    private readonly folder: string,
    private readonly tls: Certificate
  ) {}

  static async start(tls: Certificate): Promise<Mailbox> {
    const mailbox = new Mailbox(mkdtempSync(join(MEMORY, 'deskside-mailbox-')), tls);
    chmodSync(mailbox.folder, 0o755);
    for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(mailbox.folder, 'mail', name), { recursive: true });
    [mailbox.port, mailbox.plainPort] = [await freePort(), await freePort()];
    await mailbox.run();
    return mailbox;
  }

  async run() {
    const at = (name: string) => join(this.folder, name);
    // Started by root, Dovecot gives mails to an unprivileged user; started by another user, everything belongs to
    // that user.
    const root = process.getuid!() === 0;
    const [me, group] = ['-un', '-gn'].map((what) => execFileSync('id', [what]).toString().trim());
    const owner = root ? { uid: 'mail', gid: 'mail' } : { uid: me, gid: group };
    const alone = ['imap-login', 'anvil'].map((s) => `service ${s} {\n  chroot =\n}\n`).join('');
    const rootless = root
      ? ''
      : `default_internal_user = ${me}\ndefault_internal_group = ${group}\ndefault_login_user = ${me}\n${alone}`;
    if (root) execFileSync('chown', ['-R', 'mail:mail', at('mail')]);
    writeFileSync(at('users'), `${MAILBOX.user}:{PLAIN}${MAILBOX.password}\n`);
    writeFileSync(
      at('dovecot.conf'),
      `base_dir = ${at('run')}
log_path = ${at('log')}
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <${this.tls.certificate}
ssl_key = <${this.tls.key}
mail_location = maildir:${at('mail')}
first_valid_uid = 1
first_valid_gid = 1
${rootless}passdb {
  driver = passwd-file
  args = scheme=PLAIN ${at('users')}
}
userdb {
  driver = static
  args = uid=${owner.uid} gid=${owner.gid} home=${this.folder}
}
service imap-login {
  inet_listener imap {
    port = ${this.plainPort}
  }
  inet_listener imaps {
    port = ${this.port}
    ssl = yes
  }
}
`
    );
    this.child = spawn('/usr/sbin/dovecot', ['-F', '-c', at('dovecot.conf')], { stdio: 'inherit' });
    await until('the mailbox listens', () => {
      try {
        execFileSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${this.port}`], { stdio: 'ignore' });
        return true;
      } catch {
        return false;
      }
    });
  }

  /** Delivers a mail, as a mail server would. */
  deliver(mail: string) {
    const name = `${Date.now()}.${process.pid}_${++this.count}.localhost`;
    const lines = mail.replace(/\r?\n/g, '\n');
    writeFileSync(join(this.folder, 'mail/tmp', name), lines);
    renameSync(join(this.folder, 'mail/tmp', name), join(this.folder, 'mail/new', name));
  }

  /** Creates a folder beside the inbox, by its IMAP name. */
  makeFolder(name: string) {
    for (const part of ['cur', 'new', 'tmp'])
      mkdirSync(join(this.folder, 'mail', `.${name}`, part), { recursive: true });
    if (process.getuid!() === 0) execFileSync('chown', ['-R', 'mail:mail', join(this.folder, 'mail', `.${name}`)]);
  }

  /** How many mails are unread: those whose names lack the flag. */
  unseen(): number {
    const files = ['new', 'cur'].flatMap((f) => readdirSync(join(this.folder, 'mail', f)));
    return files.filter((f) => !/:2,.*S/.test(f)).length;
  }

  async halt() {
    if (this.child) await end(this.child);
    await until('it is gone', () => !existsSync(join(this.folder, 'run/master.pid')));
  }

  async stop() {
    if (this.child) await end(this.child);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
