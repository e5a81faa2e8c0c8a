import { expect, test } from 'vitest';
import type { Process } from '$lib/api/types/Process';
import { sorted, usage, type SortKey } from './processes';

const process = (pid: number, name: string, cpu: number, memory: number) =>
  ({ pid, name, command: `/bin/${name}`, user: 'ada', cpu, memory, seconds: 1 }) as Process;
const processes = [process(3, 'xterm', 1, 30), process(1, 'init', 0, 10), process(2, 'Firefox', 50, 900)];

test.each([
  ['cpu', [2, 3, 1]],
  ['memory', [2, 3, 1]],
  ['pid', [1, 2, 3]],
  ['name', [2, 1, 3]]
] as [SortKey, number[]][])('by %s', (key, pids) => expect(sorted(processes, '', key).map((p) => p.pid)).toEqual(pids));

test('found by name, command, user or number', () => {
  const found = (filter: string) => sorted(processes, filter, 'pid').map((p) => p.name);
  expect(found('firefox')).toEqual(['Firefox']);
  expect(found('/bin/x')).toEqual(['xterm']);
  expect(found('ada 1')).toEqual(['init']);
  expect(found('nobody')).toEqual([]);
});

test('of nothing nothing is used', () => {
  expect([usage(1, 3), usage(0, 0)]).toEqual(['33 %', '–']);
});
