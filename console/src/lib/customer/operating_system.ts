import type { System } from '$lib/api/types/System';

/** The operating system of a visitor: its name, and the program for it, if there is one. */
export function visitorsSystem(userAgent: string): { name: string; program: System | null } {
  // Phones also name the system that theirs derives from, so they are checked first.
  if (/Android/.test(userAgent)) return { name: 'Android', program: null };
  if (/iPhone|iPad/.test(userAgent)) return { name: 'iPhone and iPad', program: null };
  if (/CrOS/.test(userAgent)) return { name: 'ChromeOS', program: null };
  if (/Windows/.test(userAgent)) return { name: 'Windows', program: 'windows' };
  if (/Mac OS/.test(userAgent)) return { name: 'macOS', program: null };
  if (/Linux/.test(userAgent)) return { name: 'Linux', program: 'linux' };
  return { name: 'this system', program: null };
}
