// The sessions that this console attends: each stays connected while another is looked at.

import { post } from '$lib/api/client';
import type { Admission } from '$lib/api/types/Admission';
import { Attendance } from './attendance.svelte';

const MEMORY = 'deskside-places';

export interface Place {
  id: string;
  attendance: Attendance;
  /** It is only watched. */
  supervises: boolean;
}

class Desk {
  places = $state.raw<Place[]>([]);
  private restored = false;

  /** A session's place, made when there is none. */
  attend(id: string, supervises = false): Place {
    const known = this.places.find((p) => p.id === id);
    // A session that was over may run again: on hold and reopened.
    if (known && known.attendance.contact.is !== 'over' && known.supervises === supervises) return known;
    known?.attendance.stop();
    const attendance = new Attendance({
      client: 'console',
      sees: true,
      ticket: async () => (await post<Admission>(`/api/sessions/${id}/${supervises ? 'supervise' : 'ticket'}`)).ticket
    });
    const others = this.places.filter((p) => p.id !== id);
    const at = this.places.findIndex((p) => p.id === id);
    const place = { id, attendance, supervises };
    this.places = at < 0 ? [...others, place] : this.places.with(at, place);
    this.remember();
    return place;
  }

  /** After a reload the page attends what it attended before. */
  restore() {
    if (this.restored) return;
    this.restored = true;
    const before = JSON.parse(sessionStorage.getItem(MEMORY) ?? '[]') as [string, boolean][];
    for (const [id, supervises] of before) this.attend(id, supervises);
  }

  close(id: string) {
    this.places.find((p) => p.id === id)?.attendance.stop();
    this.places = this.places.filter((p) => p.id !== id);
    this.remember();
  }

  private remember() {
    sessionStorage.setItem(MEMORY, JSON.stringify(this.places.map((p) => [p.id, p.supervises])));
  }
}

export const desk = new Desk();
