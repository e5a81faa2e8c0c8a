import type { System } from '$lib/api/types/System';

/** What a visitor's computer runs: its name for people, and which program runs there, if there is any for it. */
export function visitorsSystem(userAgent: string): { name: string; program: System | null } {
  // Phones name the system they grew from: they come first.
  if (/Android/.test(userAgent)) return { name: 'Android', program: null };
  if (/iPhone|iPad/.test(userAgent)) return { name: 'iPhone and iPad', program: null };
  if (/CrOS/.test(userAgent)) return { name: 'ChromeOS', program: null };
  if (/Windows/.test(userAgent)) return { name: 'Windows', program: 'windows' };
  if (/Mac OS/.test(userAgent)) return { name: 'macOS', program: null };
  if (/Linux/.test(userAgent)) return { name: 'Linux', program: 'linux' };
  return { name: 'this system', program: null };
}
