// Windows programs on a virtual desktop, with Wine.

import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Desktop, ROOT } from './processes';

const HOME = join(ROOT, 'target/windows');
const ENV = {
  WINEPREFIX: join(HOME, 'wine'),
  WINEDEBUG: '-all',
  WINEDLLOVERRIDES: 'mscoree=;mshtml=;pdh=n',
  // Wine has neither Arial nor Segoe UI.
  SLINT_DEFAULT_FONT: 'Z:\\usr\\share\\fonts\\truetype\\dejavu\\DejaVuSans.ttf'
};
const BUILT = join(HOME, 'x86_64-pc-windows-gnu/debug/deskside-support.exe');

/** Whether `cargo xtask windows --test` has built what these tests need. */
export const there = existsSync(BUILT) && existsSync(join(HOME, 'wine/ready'));

/** The support program for Windows without debugging symbols: made once for a run. */
let stripped: string | undefined;
export function program(): string {
  if (stripped) return stripped;
  const file = join(mkdtempSync(join(tmpdir(), 'deskside-windows-')), 'deskside-support.exe');
  execFileSync('x86_64-w64-mingw32-strip', ['-o', file, BUILT]);
  return (stripped = file);
}

/** Runs a Windows program. */
export function run(
  desktop: Desktop,
  file: string,
  args: string[] = [],
  env: Record<string, string> = {}
): ChildProcess {
  return desktop.open('wine', [file, ...args], { ...ENV, ...env });
}

/** The program that starts others without an administrator's rights: made once for a run. */
let user: string | undefined;
function asUser(): string {
  if (user) return user;
  const file = join(mkdtempSync(join(tmpdir(), 'deskside-user-')), 'user.exe');
  execFileSync('x86_64-w64-mingw32-gcc', ['-municode', '-O1', '-o', file, join(import.meta.dirname, 'user.c')]);
  return (user = file);
}

/** Runs a Windows program without an administrator's rights. */
export function runAsUser(desktop: Desktop, file: string): ChildProcess {
  return desktop.open('wine', [asUser(), path(file)], ENV);
}

/** Ends everything that runs under Wine. */
export function stop() {
  // It fails when nothing runs.
  spawnSync('wineserver', ['--kill'], { env: { ...process.env, ...ENV } });
  spawnSync('wineserver', ['--wait'], { env: { ...process.env, ...ENV } });
}

/** The Windows path of a file of this machine. */
export function path(unix: string): string {
  return 'Z:' + unix.replaceAll('/', '\\');
}
