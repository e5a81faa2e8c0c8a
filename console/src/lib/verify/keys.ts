// The keys of one server, each endorsed by the one before it, and which of them an expected key vouches for.

import { fingerprint, signed } from './bytes';

export interface Key {
  key: string;
  since: number;
  by: [string, string] | null;
}

/** What somebody who checks a bundle knows from elsewhere. Empty fields are not expected. */
export interface Expected {
  /** The key's fingerprint, or all of its digits. */
  key: string;
  /** The session's identifier. */
  session: string;
  /** The hash of an entry that was the last one earlier. */
  head: string;
}

/** Without the separators that people put between digits. */
const digits = (text: string) => text.replace(/[\s:-]/g, '').toLowerCase();

/** The parsed text, or what is wrong with it. */
export function expecting(typed: Expected): Expected | string {
  const [key, session, head] = [digits(typed.key), digits(typed.session), digits(typed.head)];
  if (key && !/^([0-9a-f]{32}|[0-9a-f]{64})$/.test(key))
    return 'A fingerprint has 32 hexadecimal digits, a key has 64.';
  if (session && !/^[0-9a-f]{32}$/.test(session)) return 'The name of a session has 32 hexadecimal digits.';
  if (head && !/^[0-9a-f]{64}$/.test(head)) return 'The hash of an entry has 64 hexadecimal digits.';
  return { key, session, head };
}

/** The fingerprint of an expected key, as people compare it. */
export const printOf = async (expected: string) =>
  expected.length === 64 ? fingerprint(expected) : expected.replace(/(.{4})(?=.)/g, '$1 ');

const endorsed = (k: Key) => !k.by || signed(k.by[0], `deskside endorsement 1\n${k.key}\n${k.since}\n`, k.by[1]);

/** What is wrong with the chain of the keys. */
export async function wrong(keys: Key[]): Promise<string[]> {
  const found: string[] = [];
  for (const [n, k] of keys.entries()) {
    const name = await fingerprint(k.key);
    if (keys.findIndex((other) => other.key === k.key) < n)
      found.push(`The keys do not belong together: ${name} stands there twice.`);
    else if (!(await endorsed(k)) || (k.by?.[0] ?? null) !== (keys[n - 1]?.key ?? null))
      found.push(`The keys do not belong together: ${name} is not endorsed by the key before it.`);
  }
  return found;
}

/**
 * The keys that the expected one vouches for: itself, and those that endorsements lead to from it. Keys before it do not
 * count: anybody can put their own key there, because being endorsed takes no action of the endorsed key.
 */
export async function vouchedFor(keys: Key[], expected: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const k of keys) {
    const named = k.key === expected || digits(await fingerprint(k.key)) === expected;
    if (named || (k.by && found.has(k.by[0]) && (await endorsed(k)))) found.add(k.key);
  }
  return found;
}
