// The clipboards of both sides: sent once with a button, or kept in sync.

import { ApiError, send, errorMessage } from '$lib/api/client';

/** How often the other clipboard is read while both are in sync. */
const EVERY = 2_000;

export class Clipboard {
  /** Whether what is copied on one side is available on the other a moment later. */
  synced = $state(false);
  private last = '';

  constructor(private readonly address: () => string) {}

  /** Sends this computer's clipboard to the customer's. */
  async sendToCustomer(): Promise<string> {
    const items = await navigator.clipboard.read();
    for (const type of ['image/png', 'text/plain']) {
      const item = items.find((i) => i.types.includes(type));
      if (!item) continue;
      const held = await item.getType(type);
      const content = type === 'text/plain' ? new Blob([lines(await held.text())], { type }) : held;
      await send('PUT', this.address(), content, { 'content-type': type });
      await this.remember(content);
      return 'Your clipboard is on the customer’s computer now.';
    }
    throw new ApiError(0, 'Your clipboard holds neither text nor a picture.');
  }

  /** Fetches the customer's clipboard to this computer's. */
  async fetchFromCustomer(): Promise<string> {
    const answer = await fetch(this.address());
    if (!answer.ok) {
      const said = (await answer.json().catch(() => null)) as { message?: string } | null;
      throw new ApiError(answer.status, said?.message ?? 'This did not work.');
    }
    const content = await answer.blob();
    await navigator.clipboard.write([new ClipboardItem({ [content.type.split(';')[0]!]: content })]);
    await this.remember(content);
    return 'The customer’s clipboard is in yours now.';
  }

  /** Remembers the content of both sides: it is news for neither. */
  private async remember(content: Blob) {
    if (content.type.startsWith('text/')) this.last = lines(await content.text());
  }

  /**
   * Keeps texts in sync until the returned function is called. Reads only while this page has the focus, because browsers
   * allow it only then.
   */
  keepInSync(failed: (why: string) => void): () => void {
    let busy = false;
    const look = async () => {
      if (busy || !document.hasFocus()) return;
      busy = true;
      await this.syncOnce().catch((error) => failed(errorMessage(error)));
      busy = false;
    };
    void look();
    const timer = setInterval(() => void look(), EVERY);
    return () => clearInterval(timer);
  }

  private async syncOnce() {
    const own = lines(await navigator.clipboard.readText().catch(() => ''));
    if (own && own !== this.last) {
      this.last = own;
      await send('PUT', this.address(), new Blob([own]), { 'content-type': 'text/plain' });
      return;
    }
    const answer = await fetch(`${this.address()}?known=${encodeURIComponent(await sha256(this.last))}`);
    const text = answer.status === 200 && answer.headers.get('content-type')?.startsWith('text/');
    const theirs = text ? await answer.text() : '';
    if (theirs && theirs !== this.last) {
      this.last = theirs;
      await navigator.clipboard.writeText(theirs);
    }
  }
}

/** A text in transit: lines end with one line feed, whatever this system uses. */
function lines(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(hash)].map((b) => b.toString(16).padStart(2, '0')).join('');
}
