// The page's own few lines: a file in, words out.

import { judge } from './verify';

const out = document.getElementById('verdict')!;
const line = (tag: string, text: string) => Object.assign(document.createElement(tag), { textContent: text });

document.getElementById('file')!.addEventListener('change', async (event) => {
  const file = (event.target as HTMLInputElement).files?.[0];
  if (!file) return;
  out.className = '';
  out.replaceChildren(line('p', 'Checking …'));
  const verdict = await judge(file).catch((error: Error) => {
    out.className = 'changed';
    out.replaceChildren(line('p', `It could not be checked: ${error.message}`));
    return null;
  });
  if (!verdict) return;
  out.className = verdict.whole ? 'whole' : 'changed';
  const parts = [
    line('h2', verdict.whole ? 'Whole: nothing was changed since it was signed.' : 'Changed'),
    line('p', verdict.about),
    line('p', `${verdict.entries} entries of the timeline`)
  ];
  if (verdict.key) {
    const key = line('p', 'Signed by the key ');
    key.append(line('code', verdict.key), '. Compare it with the one that the administrator of the server tells you.');
    parts.push(key);
  }
  parts.push(...verdict.findings.map((f) => line('p', f)));
  out.replaceChildren(...parts);
});
