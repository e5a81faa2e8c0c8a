// Files of a conversation: uploaded one after another, and saved.

import { ApiError, errorMessage, errorOf, send } from '$lib/api/client';
import { saveBlob } from '$lib/api/save_blob';
import { shownName } from '$lib/text/shown_name';

export class Attachments {
  /** The name of the file that is being uploaded; empty if there is none. */
  sending = $state('');
  problem = $state('');

  /** `address` is the API's address for them; `token` authorises somebody who is not signed in. */
  constructor(
    private readonly address: () => string,
    private readonly token: () => string | null
  ) {}

  private get headers(): Record<string, string> {
    const token = this.token();
    return token ? { authorization: `Bearer ${token}` } : {};
  }

  async post(files: Iterable<File>) {
    this.problem = '';
    for (const file of files) {
      this.sending = file.name;
      const path = `${this.address()}?${new URLSearchParams({ name: file.name })}`;
      await send('POST', path, file, this.headers).catch(
        (error) => (this.problem = `${shownName(file.name)}: ${errorMessage(error)}`)
      );
    }
    this.sending = '';
  }

  async save(number: number, name: string) {
    this.problem = '';
    try {
      const answer = await fetch(`${this.address()}/${number}`, { headers: this.headers }).catch(() => null);
      if (!answer) throw new ApiError(0, 'The server cannot be reached. Please check your connection.');
      if (!answer.ok) throw await errorOf(answer);
      saveBlob(await answer.blob(), name);
    } catch (error) {
      this.problem = `${name}: ${errorMessage(error)}`;
    }
  }
}
