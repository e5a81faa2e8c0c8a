// Builds the page that checks bundles: one self-contained file that works offline.

import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'vite';

const built = await build({
  configFile: false,
  logLevel: 'warn',
  build: {
    write: false,
    minify: false,
    target: 'es2022',
    lib: { entry: 'src/lib/verify/page.ts', formats: ['es'], fileName: 'verify' }
  }
});
const code = [built].flat()[0].output[0].code.replaceAll('</script', '<\\/script');
const page = readFileSync('src/lib/verify/page.html', 'utf8');
writeFileSync(
  'build/verify.html',
  page.replace('/* the script */', () => code)
);
