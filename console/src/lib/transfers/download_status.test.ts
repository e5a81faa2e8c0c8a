import { expect, test } from 'vitest';
import type { LeavingCourse } from '$lib/api/types/LeavingCourse';
import { downloadStatus } from './download_status';

const status = (course: LeavingCourse | null, sinceBegin = 0, sinceStop = 0) =>
  downloadStatus(course && { course, bytes: 1, size: 2 }, sinceBegin, sinceStop);

test.each([
  [{ is: 'done' }, { is: 'done', where: 'your downloads' }],
  [
    { is: 'failed', why: 'no permission' },
    { is: 'failed', why: 'no permission' }
  ],
  [{ is: 'held' }, { is: 'paused' }],
  [{ is: 'waiting' }, { is: 'waiting' }],
  [{ is: 'going' }, { is: 'running' }],
  [{ is: 'stopped' }, { is: 'stopped' }]
] as [LeavingCourse, unknown][])('%j is shown as %j', (course, shown) => expect(status(course)).toEqual(shown));

test('a browser that does not begin asks its user something', () => {
  expect(status({ is: 'ready' }, 1_000)).toBeNull();
  expect(status({ is: 'ready' }, 3_000)).toEqual({ is: 'ready' });
});

test('a download that is stopped for a minute is given up, also where the server cannot be asked', () => {
  expect(status({ is: 'stopped' }, 0, 61_000)).toMatchObject({ is: 'failed' });
  expect(status(null, 0, 1_000)).toEqual({ is: 'stopped' });
  expect(status(null, 0, 61_000)).toMatchObject({ is: 'failed' });
});
