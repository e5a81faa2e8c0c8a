// The sessions that this console attends: each stays connected while another is looked at.

import { post } from '../api/client';
import type { Admission } from '../api/types/Admission';
import { Attendance } from './attendance.svelte';

const MEMORY = 'deskside-open';

export interface Place {
  id: string;
  attendance: Attendance;
}

class Desk {
  places = $state.raw<Place[]>([]);
  private restored = false;

  /** The attendance of a session, made when there is none. */
  attend(id: string): Attendance {
    const known = this.places.find((p) => p.id === id);
    // A session that was over may run again: on hold and reopened.
    if (known && known.attendance.contact.is !== 'over') return known.attendance;
    const attendance = new Attendance({
      client: 'console',
      sees: true,
      ticket: async () => (await post<Admission>(`/api/sessions/${id}/ticket`)).ticket
    });
    const others = this.places.filter((p) => p.id !== id);
    const at = this.places.findIndex((p) => p.id === id);
    this.places = at < 0 ? [...others, { id, attendance }] : this.places.with(at, { id, attendance });
    this.remember();
    return attendance;
  }

  /** After a reload the page attends what it attended before. */
  restore() {
    if (this.restored) return;
    this.restored = true;
    for (const id of JSON.parse(sessionStorage.getItem(MEMORY) ?? '[]') as string[]) this.attend(id);
  }

  close(id: string) {
    this.places.find((p) => p.id === id)?.attendance.stop();
    this.places = this.places.filter((p) => p.id !== id);
    this.remember();
  }

  private remember() {
    sessionStorage.setItem(MEMORY, JSON.stringify(this.places.map((p) => p.id)));
  }
}

export const desk = new Desk();
