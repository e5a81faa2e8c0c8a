// The customer's files as a page browses them: the current folder, the selection, and changes.

import { ApiError, errorMessage, get, post } from '$lib/api/client';
import type { Folder } from '$lib/api/types/Folder';
import type { Item } from '$lib/api/types/Item';
import { fits } from '$lib/text/fold';
import { shownName } from '$lib/text/shown_name';
import { Download } from '$lib/transfers/download.svelte';
import type { Dropped } from '$lib/transfers/dropped_files';
import { transfersOf } from '$lib/transfers/transfer_queue.svelte';
import { Upload } from '$lib/transfers/upload.svelte';
import { inside } from './paths';

export const isFolder = (item: Item) => item.kind === 'folder' || item.kind === 'folder_link';

export class FileBrowser {
  folder = $state.raw<Folder | null>(null);
  /** Whether a folder is being read. */
  reading = $state(false);
  problem = $state('');
  /** The selected names of the folder. */
  chosen = $state.raw<string[]>([]);
  filter = $state('');
  shown = $derived((this.folder?.items ?? []).filter((i) => fits(i.name, this.filter)));
  readonly transfers;
  private readonly base: string;
  private refreshing: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly session: string) {
    this.transfers = transfersOf(session);
    this.base = `/api/sessions/${session}/files`;
  }

  async open(path: string) {
    this.reading = true;
    this.problem = '';
    try {
      const read = await get<Folder>(`${this.base}?${new URLSearchParams({ path })}`);
      // Reading the same folder again keeps the selection.
      if (read.path !== this.folder?.path) [this.chosen, this.filter] = [[], ''];
      this.chosen = this.chosen.filter((name) => read.items.some((i) => i.name === name));
      this.folder = read;
    } catch (error) {
      this.problem = errorMessage(error);
    }
    this.reading = false;
  }

  /** An unchanged path means the folder itself, even if its name is shown differently. */
  goTo(typed: string) {
    const same = this.folder && typed === shownName(this.folder.path);
    return this.open(same ? this.folder!.path : typed);
  }

  readonly refresh = () => this.open(this.folder?.path ?? '');

  /** Reads the folder again; an earlier error stays visible. */
  private async refreshKeepingProblem() {
    const kept = this.problem;
    await this.refresh();
    this.problem = kept || this.problem;
  }

  /** Refreshes after changes: every few seconds while there are many, and at their end. */
  private refreshSoon() {
    this.refreshing ??= setTimeout(
      () => {
        this.refreshing = undefined;
        void this.refreshKeepingProblem();
      },
      this.transfers.waiting ? 3_000 : 300
    );
  }

  toggle(name: string) {
    this.chosen = this.chosen.includes(name) ? this.chosen.filter((n) => n !== name) : [...this.chosen, name];
  }

  /** The path of a name in the current folder. */
  path(name: string, folder = this.folder!.path): string {
    return inside(folder, this.folder!.separator, name);
  }

  download(names: string[]) {
    for (const name of names) {
      const item = this.folder!.items.find((i) => i.name === name)!;
      if (item.kind === 'other') this.problem = `“${shownName(name)}” is not a file.`;
      else {
        const saved = shownName(isFolder(item) ? `${name}.zip` : name);
        this.transfers.add(new Download(this.session, this.path(name), saved));
      }
    }
  }

  /** Uploads folders first, then their files, each as a transfer of its own. */
  readonly send = async (all: Dropped[]) => {
    if (!this.folder) return;
    const at = this.folder.path;
    this.problem = '';
    for (const { folders, file } of all) {
      const place = folders.reduce((path, name) => this.path(name, path), at);
      const placed = () => this.folder?.path === at && this.refreshSoon();
      if (file) this.transfers.add(new Upload(this.session, file, place, placed));
      else await this.makeFolder(place, folders.join('/'));
    }
    this.refreshSoon();
  };

  private async makeFolder(path: string, name: string) {
    await post(`${this.base}/folder`, { path }).catch((error) => {
      // An existing folder is filled.
      const there = error instanceof ApiError && error.status === 409;
      if (!there) this.problem = `${shownName(name)}: ${errorMessage(error)}`;
    });
  }

  newFolder(name: string) {
    return this.change(() => post(`${this.base}/folder`, { path: this.path(name) }));
  }

  rename(old: string, name: string) {
    return this.change(() => post(`${this.base}/rename`, { path: this.path(old), name }));
  }

  async delete(names: string[]) {
    for (const name of names)
      await post(`${this.base}/delete`, { path: this.path(name) }).catch(
        (error) => (this.problem = `${shownName(name)}: ${errorMessage(error)}`)
      );
    await this.refreshKeepingProblem();
  }

  private async change(what: () => Promise<unknown>) {
    this.problem = '';
    await what().catch((error) => (this.problem = errorMessage(error)));
    await this.refreshKeepingProblem();
  }
}
