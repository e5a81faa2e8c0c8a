// The open sessions of this console: each stays connected while another is visible.

import { post } from '$lib/api/client';
import type { Admission } from '$lib/api/types/Admission';
import { SessionConnection } from './connection.svelte';

const STORAGE_KEY = 'deskside-places';

export interface OpenSession {
  id: string;
  connection: SessionConnection;
  /** Whether the signed-in person watches as a supervisor. */
  supervises: boolean;
}

class OpenSessions {
  all = $state.raw<OpenSession[]>([]);
  private restored = false;

  /** Opens a session, or finds it among the open ones. */
  open(id: string, supervises = false): OpenSession {
    const known = this.all.find((s) => s.id === id);
    // An ended session may run again after a hold.
    if (known && known.connection.status.is !== 'over' && known.supervises === supervises) return known;
    known?.connection.stop();
    const connection = new SessionConnection({
      client: 'console',
      sees: true,
      ticket: async () => (await post<Admission>(`/api/sessions/${id}/${supervises ? 'supervise' : 'ticket'}`)).ticket
    });
    const opened = { id, connection, supervises };
    const at = this.all.findIndex((s) => s.id === id);
    this.all = at < 0 ? [...this.all, opened] : this.all.with(at, opened);
    this.remember();
    return opened;
  }

  /** After a reload the page opens the same sessions again. */
  restore() {
    if (this.restored) return;
    this.restored = true;
    const before = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? '[]') as [string, boolean][];
    for (const [id, supervises] of before) this.open(id, supervises);
  }

  close(id: string) {
    this.all.find((s) => s.id === id)?.connection.stop();
    this.all = this.all.filter((s) => s.id !== id);
    this.remember();
  }

  closeAll() {
    for (const { id } of this.all) this.close(id);
  }

  private remember() {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(this.all.map((s) => [s.id, s.supervises])));
  }
}

export const openSessions = new OpenSessions();
