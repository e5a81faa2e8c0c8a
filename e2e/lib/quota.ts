// Less processor time for one program, with the kernel's quota: simulates an old computer.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The two forms in which Linux has control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html (CPU), and before. */
const FORMS = [
  {
    folder: '/sys/fs/cgroup/cpu',
    write: (folder: string, share: number) => writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(share * 100_000))
  },
  {
    folder: '/sys/fs/cgroup',
    write: (folder: string, share: number) => writeFileSync(join(folder, 'cpu.max'), `${share * 100_000} 100000`)
  }
];

export class Quota {
  private constructor(
    private folder: string,
    private form: (typeof FORMS)[number]
  ) {}

  /** A quota for programs; null if this machine has none. */
  static make(): Quota | null {
    for (const form of FORMS.filter((f) => existsSync(f.folder))) {
      const quota = new Quota(join(form.folder, `deskside-${process.pid}-${Date.now()}`), form);
      try {
        mkdirSync(quota.folder);
        quota.set(1);
        return quota;
      } catch {
        quota.remove();
      }
    }
    return null;
  }

  /** Sets the share of one core. */
  set(share: number) {
    this.form.write(this.folder, share);
  }

  /** Adds a process by id, with its future children. */
  holds(pid: number) {
    writeFileSync(join(this.folder, 'cgroup.procs'), String(pid));
  }

  /** Removes the quota; only possible when nothing runs in it any more. */
  remove() {
    try {
      rmdirSync(this.folder);
    } catch {
      // It is empty: the next start of the machine removes it.
    }
  }
}
