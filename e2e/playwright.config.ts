import { defineConfig } from '@playwright/test';

// The system's Chromium, as people have it. One worker, because desktops, servers and browsers share two cores.
export default defineConfig({
  testDir: 'tests',
  outputDir: 'results',
  timeout: 120_000,
  expect: { timeout: 15_000 },
  workers: 1,
  // On a shared machine a browser may starve once; a test that needs its second try is listed as flaky.
  retries: process.env.CI ? 1 : 0,
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run'
      ]
    },
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    trace: 'off',
    screenshot: 'only-on-failure',
    permissions: ['clipboard-read', 'clipboard-write']
  }
});
