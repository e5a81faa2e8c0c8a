// The page's own logic: a file and expectations in, a verdict out.

import { expecting } from './keys';
import { judge, type Outcome, type Verdict } from './verify';

const HEADS: Record<Outcome, string> = {
  whole: 'Whole: nothing was changed since it was signed.',
  unknown: 'Whole in itself, but nobody knows who signed it',
  rejected: 'Not to be relied on'
};

const out = document.getElementById('verdict')!;
const input = (id: string) => document.getElementById(id) as HTMLInputElement;
const line = (tag: string, text: string) => Object.assign(document.createElement(tag), { textContent: text });

function show(className: Outcome | '', ...parts: Node[]) {
  out.className = className;
  out.replaceChildren(...parts);
}

/** Checks are numbered: only the newest one is shown. */
let newest = 0;

async function check() {
  const file = input('file').files?.[0];
  if (!file) return;
  const number = ++newest;
  const [key, session, head] = ['key', 'session', 'head'].map((id) => input(id).value) as [string, string, string];
  const expected = expecting({ key, session, head });
  if (typeof expected === 'string') return show('rejected', line('h2', 'Not checked'), line('p', expected));
  show('', line('p', 'Checking …'));
  const verdict = await judge(file, expected).catch((error: Error) => error);
  if (number !== newest) return;
  if (verdict instanceof Error) show('rejected', line('p', `It could not be checked: ${verdict.message}`));
  else show(verdict.outcome, ...words(verdict, expected.session !== ''));
}

function words(verdict: Verdict, sessionNamed: boolean): Node[] {
  const parts = [line('h2', HEADS[verdict.outcome])];
  if (verdict.outcome === 'unknown')
    parts.push(
      line(
        'p',
        'You named no key that you expect. Whoever makes a bundle can sign it with a key of their own, and it is whole. ' +
          "Ask the server's administrator for the fingerprint, on a way that you trust, and type it above."
      )
    );
  parts.push(...verdict.findings.map((f) => line('p', f)));
  parts.push(line('p', verdict.about || `session ${verdict.session}`));
  if (!sessionNamed) parts.push(line('p', 'Compare the session with the one that you expect, or name it above.'));
  if (verdict.key) {
    const key = line('p', 'Signed by the key ');
    key.append(line('code', verdict.key), '.');
    parts.push(key);
  }
  const end = line('p', `${verdict.entries} entries of the timeline`);
  if (verdict.sealed) {
    const sealed = new Date(verdict.sealed).toISOString().slice(0, 19).replace('T', ' ');
    end.append(`, last sealed ${sealed} UTC. The last entry's hash is `, line('code', verdict.head), '.');
  }
  return [...parts, end, ...verdict.notes.map((n) => line('p', n))];
}

for (const id of ['file', 'key', 'session', 'head']) input(id).addEventListener('change', () => void check());
