// The server's Content-Security-Policy allows no inline script, and SvelteKit starts a page with one: this moves it
// to a file that is named by its content.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const page = 'build/index.html';
let count = 0;
const html = readFileSync(page, 'utf8').replace(/<script>([\s\S]*?)<\/script>/g, (_, script) => {
  count += 1;
  const name = `/_app/immutable/start-${createHash('sha256').update(script).digest('hex').slice(0, 12)}.js`;
  writeFileSync(`build${name}`, script);
  return `<script src="${name}"></script>`;
});
if (count !== 1) throw new Error(`one inline script was expected in ${page}, found ${count}`);
if (/\sstyle="/.test(html)) throw new Error(`an inline style stands in ${page}`);
writeFileSync(page, html);
