// Some of the settings, as one form reads and writes them.

import { get, put } from '$lib/api/client';
import { mutation } from '$lib/api/mutation.svelte';
import { query } from '$lib/api/query.svelte';
import type { Settings } from '$lib/api/types/Settings';

const PATH = '/api/settings';
const read = () => get<Settings>(PATH);

/** `fields` are those of the form. Only fields that were changed here are sent, so that changes by others stay. */
export class SettingsForm<K extends keyof Settings> {
  draft = $state<Pick<Settings, K> | null>(null);
  private before: Pick<Settings, K> | null = null;
  readonly stored = query(async () => {
    const settings = await read();
    this.show(settings);
    return settings;
  });
  readonly save = mutation(async () => {
    const draft = $state.snapshot(this.draft) as Pick<Settings, K>;
    const same = (field: K) => JSON.stringify(draft[field]) === JSON.stringify(this.before?.[field]);
    const changed = Object.fromEntries(
      this.fields.filter((field) => !same(field)).map((field) => [field, draft[field]])
    );
    this.show(await put<Settings>(PATH, changed));
  });

  constructor(private readonly fields: readonly K[]) {}

  private show(settings: Settings) {
    this.before = this.pick(settings);
    this.draft = this.pick(settings);
  }

  private pick(settings: Settings): Pick<Settings, K> {
    return Object.fromEntries(this.fields.map((field) => [field, settings[field]])) as Pick<Settings, K>;
  }
}
