// Rights, queues and programs as parts of a sentence. Pure.

import type { Client } from '$lib/api/types/Client';
import type { Queue } from '$lib/api/types/Queue';
import type { Right } from '$lib/api/types/Right';

/** The queue of a session. */
export function queueText(queue: Queue): string {
  return queue.is === 'team' ? `the queue of ${queue.team}` : 'the general queue';
}

/** The rights in words that follow "to". */
export function rightsText(rights: Right[], your = 'the'): string {
  const screen = rights.includes('control')
    ? [`see and control ${your} screen`]
    : rights.includes('view')
      ? [`see ${your} screen`]
      : [];
  const words: Record<Exclude<Right, 'view' | 'control'>, string> = {
    files: `see and exchange ${your === 'the' ? '' : 'your '}files`,
    clipboard: `use ${your} clipboard`,
    shell: 'run commands',
    system_info: 'see system information',
    restart: `restart ${your} computer`,
    elevate: 'run as administrator'
  };
  return [...screen, ...rights.flatMap((r) => (r === 'view' || r === 'control' ? [] : words[r]))].join(', ');
}

/** The client of a participant, in brackets. */
export function clientText(client: Client): string {
  const text: Record<Client, string> = {
    console: '',
    browser: ' (in the browser)',
    program: ' (with the support program)',
    windows_program: ' (with the support program for Windows)',
    windows_administrator: ' (with the support program for Windows, run as administrator)'
  };
  return text[client];
}
