// Some of the settings, as one form reads and writes them.

import { get, put } from '$lib/api/client';
import { mutation } from '$lib/api/mutation.svelte';
import { query } from '$lib/api/query.svelte';
import type { Settings } from '$lib/api/types/Settings';

const PATH = '/api/settings';
const read = () => get<Settings>(PATH);

/** `fields` are those that the form shows: what another page has changed meanwhile in others is not overwritten. */
export class SettingsForm<K extends keyof Settings> {
  draft = $state<Pick<Settings, K> | null>(null);
  readonly stored = query(async () => {
    const settings = await read();
    this.draft = this.pick(settings);
    return settings;
  });
  readonly save = mutation(async () => {
    const changed = $state.snapshot(this.draft) as Pick<Settings, K>;
    const settings: Settings = { ...(await read()), ...changed };
    this.draft = this.pick(await put<Settings>(PATH, settings));
  });

  constructor(private readonly fields: readonly K[]) {}

  private pick(settings: Settings): Pick<Settings, K> {
    return Object.fromEntries(this.fields.map((field) => [field, settings[field]])) as Pick<Settings, K>;
  }
}
