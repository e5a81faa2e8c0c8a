// The browser's own downloads: kept under their names, and resumed from its list.

import { expect, type Page } from '@playwright/test';

/** Keeps further downloads of this page's context in a folder, under their own names. */
export async function keepDownloads(page: Page, folder: string) {
  const browser = await page.context().browser()!.newBrowserCDPSession();
  const own = await page.context().newCDPSession(page);
  const { targetInfo } = await own.send('Target.getTargetInfo');
  await browser.send('Browser.setDownloadBehavior', {
    behavior: 'allow',
    browserContextId: targetInfo.browserContextId,
    downloadPath: folder
  });
}

/** Opens the browser's list of downloads and waits until the browser has given up a download. */
export async function interruptedDownload(page: Page): Promise<Page> {
  const list = await page.context().newPage();
  await list.goto('chrome://downloads');
  await expect(list.getByText('Network error')).toBeVisible();
  return list;
}

/** Presses Resume in the browser's list of downloads. */
export async function resumeDownload(list: Page) {
  await list.getByRole('button', { name: 'More actions' }).or(list.locator('#more-actions')).first().click();
  await list.locator('#pause-or-resume').click();
}
