// A real LDAP directory (slapd) with a few people and groups.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, freePort, MEMORY, until } from './processes';

const person = (uid: string, name: string) => `
dn: uid=${uid},ou=people,dc=northwind,dc=example
objectClass: inetOrgPerson
uid: ${uid}
cn: ${name}
sn: ${name.split(' ')[1]}
mail: ${uid}@northwind.example
userPassword: ${uid}s password
`;
const group = (name: string, ...members: string[]) => `
dn: cn=${name},ou=groups,dc=northwind,dc=example
objectClass: groupOfNames
cn: ${name}
${members.map((m) => `member: uid=${m},ou=people,dc=northwind,dc=example`).join('\n')}
`;
const ENTRIES = `
dn: dc=northwind,dc=example
objectClass: dcObject
objectClass: organization
o: Northwind
dc: northwind

dn: ou=people,dc=northwind,dc=example
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=northwind,dc=example
objectClass: organizationalUnit
ou: groups
${person('lena', 'Lena Vogt')}${person('omar', 'Omar Haddad')}${group('helpdesk', 'lena')}${group('visitors', 'omar')}`;

export class Directory {
  url = '';
  private child?: ChildProcess;
  private constructor(private readonly folder: string) {}

  static async start(): Promise<Directory> {
    const folder = mkdtempSync(join(MEMORY, 'deskside-ldap-'));
    const directory = new Directory(folder);
    mkdirSync(join(folder, 'db'));
    const schema = ['core', 'cosine', 'inetorgperson'].map((s) => `include /etc/ldap/schema/${s}.schema`).join('\n');
    const config = `${schema}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(folder, 'pid')}
database mdb
suffix "dc=northwind,dc=example"
rootdn "cn=admin,dc=northwind,dc=example"
rootpw sesame
directory ${join(folder, 'db')}
access to attrs=userPassword by anonymous auth by * none
access to * by dn="cn=admin,dc=northwind,dc=example" read by * none
`;
    writeFileSync(join(folder, 'slapd.conf'), config);
    writeFileSync(join(folder, 'entries.ldif'), ENTRIES);
    execFileSync('/usr/sbin/slapadd', ['-f', join(folder, 'slapd.conf'), '-l', join(folder, 'entries.ldif')], {
      stdio: 'pipe'
    });
    const port = await freePort();
    directory.url = `ldap://localhost:${port}`;
    directory.child = spawn('/usr/sbin/slapd', ['-f', join(folder, 'slapd.conf'), '-h', directory.url, '-d', '0'], {
      stdio: 'ignore'
    });
    await until('the directory answers', () => {
      try {
        execFileSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { stdio: 'ignore' });
        return true;
      } catch {
        return false;
      }
    });
    return directory;
  }

  async stop() {
    if (this.child) await end(this.child, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
