import { expect, test } from 'vitest';
import { inside } from './paths';

test.each([
  ['/home/ada', '/', 'a.txt', '/home/ada/a.txt'],
  ['/', '/', 'etc', '/etc'],
  ['C:\\Users\\ada', '\\', 'a.txt', 'C:\\Users\\ada\\a.txt'],
  ['C:\\', '\\', 'Users', 'C:\\Users']
])('%s with %s: %s', (folder, separator, name, path) => expect(inside(folder, separator, name)).toBe(path));
