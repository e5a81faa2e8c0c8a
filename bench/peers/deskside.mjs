// Deskside itself. Variants: default (plain HTTP, like the VNC rows) | tls (HTTPS, and QUIC where the browser takes it)
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { resolve } from 'node:path';
import { ADDR, sleep } from '../lib/system.mjs';

const BIN = process.env.DESKSIDE_BIN ?? resolve(import.meta.dirname, '../../target/release');
const PORT = 8470;
const EVA = { login: 'eva', name: 'Eva Lindner', email: 'eva@example.org', team: 'Service desk', password: 'correct horse battery' };
const ADA = { name: 'Ada Morgan', email: 'ada@customer.example', company: 'Morgan & Daughters' };

export default function (variant = 'default') {
  const origin = variant === 'tls' ? `https://${ADDR.relay}:${PORT}` : `http://${ADDR.relay}:${PORT}`;
  let display, session, asked = false;
  const x = (...args) => execFileSync('xdotool', args, { env: { ...process.env, DISPLAY: display, LC_ALL: 'C.UTF-8' } }).toString().trim();
  const window = async title => {
    for (let i = 0; i < 200; i++) {
      try { return x('search', '--onlyvisible', '--name', title).split('\n')[0]; } catch { await sleep(100); }
    }
    throw new Error(`no window ${title}`);
  };
  const press = async (title, ...keys) => {
    const id = await window(title);
    x('windowactivate', '--sync', id);
    x('key', '--delay', '60', ...keys);
  };
  return {
    title: `Deskside${variant === 'default' ? '' : `, ${variant}`}`,
    ...(variant === 'tls' ? {} : { origin }),
    surface: `() => document.querySelector('canvas.picture')`,
    async start({ system, display: shown, logDir = system.logDir }) {
      display = shown;
      const data = `${logDir}/data`;
      rmSync(data, { recursive: true, force: true });
      mkdirSync(data);
      // Without a window manager the program's questions get no keyboard.
      system.spawn('manager', 'customer', 'openbox', [], { env: { DISPLAY: display } });
      let said = '';
      const tls = variant === 'tls' ? certificate(logDir) : [];
      system.spawn('relay', 'relay', `${BIN}/deskside-server`, ['--listen', `0.0.0.0:${PORT}`, '--public-url', origin, '--data', data,
        '--support-program', `${BIN}/deskside-support`, '--disk-floor-mib', 1, ...tls], { onLine: line => (said += line + '\n') });
      for (let i = 0; !said.includes('/setup#'); i++) { if (i > 100) throw new Error('the server does not start'); await sleep(100); }
      const jar = `${logDir}/cookies`;
      rmSync(jar, { force: true });
      const api = (path, body, form) => system.run('relay', 'curl', ['-sSfk', '-b', jar, '-c', jar, '-H', `Origin: ${origin}`,
        ...(form ? ['-o', form, '-d', body] : ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)]), `${origin}${path}`]);
      const ask = (path, body) => { const text = api(path, body); return text && JSON.parse(text); };
      ask('/api/setup', { token: said.match(/setup#(\S+)/)[1], organisation: 'Bench', user: { ...EVA, administrator: true } });
      const customer = ask('/api/customers', ADA);
      const incident = ask('/api/incidents', { customer: customer.id, subject: 'Bench', description: '', status: 'new', priority: 'high', owner: null, team: 'Service desk' });
      const made = ask(`/api/incidents/${incident.id}/sessions`, {});
      session = made.session;
      const program = `${logDir}/deskside-support`;
      api('/download/linux', `link=${made.link.split(/[#/]/).pop()}`, program);
      chmodSync(program, 0o755);
      system.spawn('agent', 'customer', program, [], { env: { DISPLAY: display, LC_ALL: 'C.UTF-8', ...(tls.length && { SSL_CERT_FILE: tls[1] }) } });
      await window('.');
      return [`deskside ${system.run('relay', `${BIN}/deskside-server`, ['--version']).trim()}`];
    },
    async login({ context }) {
      // New interfaces get their addresses for some seconds, during which the browser's requests fail.
      await sleep(3000);
      const page = await context.newPage();
      await page.goto(`${origin}/sign-in`);
      await page.getByLabel('User name').fill(EVA.login);
      await page.getByLabel('Password').fill(EVA.password);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByRole('heading', { name: 'Incidents' }).waitFor();
      await page.close();
    },
    async open(page, bench, early) {
      await page.goto(`${origin}/console/sessions/${session}`, { waitUntil: 'commit' });
      await early(page);
      if (!asked) {
        asked = true;
        await page.getByRole('button', { name: 'Share screen' }).click();
        await press('^A question from [^(]*$', 'Tab', 'Tab', 'space');
        await press('^What may .* do', 'Tab', 'Tab', 'Tab', 'space');
      }
      await page.waitForFunction(() => document.querySelector('canvas.picture')?.width > 300, null, { timeout: 30000, polling: 50 });
      await page.evaluate(() => document.querySelector('textarea.keyboard')?.focus());
    },
    // The connection panel: each stage of a picture, in ms.
    async stages(page) {
      const panel = page.getByRole('button', { name: 'Connection' });
      await panel.click();
      await page.locator('tr[data-stage=relay]').waitFor({ timeout: 3000 });
      await sleep(1200);
      const rows = await page.locator('tr[data-stage]').evaluateAll(list => list.map(r => [r.dataset.stage, ...[...r.querySelectorAll('td')].map(c => parseFloat(c.textContent))]));
      await panel.click();
      await page.evaluate(() => document.querySelector('textarea.keyboard')?.focus());
      return Object.fromEntries(rows.map(([stage, p50, p95]) => [stage, { p50, p95 }]));
    },
  };
}

/** A self-signed certificate for the relay's address. */
function certificate(folder) {
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=bench',
    '-addext', `subjectAltName=IP:${ADDR.relay}`, '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return ['--tls-certificate', cert, '--tls-key', key];
}
