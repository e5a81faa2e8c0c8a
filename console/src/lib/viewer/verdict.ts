// Who is slow, in one sentence.

import type { StageTimes } from './stages';

export interface Findings {
  /** Round trips in milliseconds: page to server, customer to server. */
  here: number | null;
  there: number | null;
  /** How long a picture stays in the server, in milliseconds. */
  relay: number | null;
  stages: StageTimes | null;
}

/** A round trip above this many milliseconds is noticeable. */
const FELT = 120;
/** Processing of a picture above this is noticeable. */
const WORK_FELT = 45;

export function verdict({ here, there, relay, stages }: Findings): string {
  const delays: [number, number, string][] = [[here ?? 0, FELT, 'Your connection to the server is slow.']];
  delays.push([there ?? 0, FELT, 'The customer’s connection to the server is slow.']);
  delays.push([relay ?? 0, WORK_FELT, 'The server is slow.']);
  if (stages) {
    delays.push([stages.read.p50 + stages.encode.p50, WORK_FELT, 'The customer’s computer is slow.']);
    delays.push([stages.decode.p50 + stages.draw.p50, WORK_FELT, 'This computer is slow.']);
  }
  const felt = delays.filter(([ms, limit]) => ms > limit).sort((a, b) => b[0] / b[1] - a[0] / a[1]);
  if (felt[0]) return felt[0][2];
  return here === null ? 'The connection is being measured …' : 'The connection is good.';
}
