import { expect, test } from 'vitest';
import type { Entry } from '$lib/api/types/Entry';
import type { Span } from '$lib/api/types/Span';
import type { TranscriptLine } from '$lib/api/types/TranscriptLine';
import { keptBeside, legalHold, marksOf } from './kept';

const entry = (seq: number, event: object) => ({ seq, at: seq * 1_000, event }) as unknown as Entry;
const line = (seq: number, who: string, text: string) =>
  ({ seq, at: seq * 1_000, who, text, voice: 'system' }) as unknown as TranscriptLine;
const timeline: Span[] = [{ from: 2_000, until: 12_000, at: 0, end: 'stopped' }];

test('a line is a mark where the video shows its moment', () => {
  const entries = [entry(1, { type: 'joined' }), entry(3, { type: 'chat' }), entry(5, { type: 'paused' })];
  const transcript = [line(1, '', 'Ada has joined'), line(3, 'Ada', 'Hello'), line(5, '', 'Ada has paused the screen')];
  expect(marksOf(transcript, entries, timeline)).toEqual([
    { seq: 3, ms: 1_000, kind: 'said', text: 'Ada: Hello' },
    { seq: 5, ms: 3_000, kind: 'other', text: 'Ada has paused the screen' }
  ]);
});

test('the last word on a legal hold counts', () => {
  const hold = (seq: number, on: boolean) => entry(seq, { type: 'legal_hold', on, reason: `case ${seq}`, by: {} });
  expect(legalHold([])).toBeNull();
  expect(legalHold([hold(1, true), hold(2, false), hold(3, true)])?.reason).toBe('case 3');
  expect(legalHold([hold(1, true), hold(2, false)])).toBeNull();
});

test('shells, systems and files are found by number', () => {
  const kept = keptBeside([
    entry(1, { type: 'shell_started', number: 1 }),
    entry(2, { type: 'file_posted', number: 4, name: 'a.txt' }),
    entry(3, { type: 'system_info_read', number: 2 })
  ]);
  expect(kept.shells).toEqual([{ at: 1_000, number: 1 }]);
  expect(kept.systems).toEqual([{ at: 3_000, number: 2 }]);
  expect(kept.files.map((f) => f.name)).toEqual(['a.txt']);
});
