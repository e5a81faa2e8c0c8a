import { expect, test } from 'vitest';
import { isMisleading, leaf, shownName, shownText } from './shown_name';

// The same table as in protocol/src/file_name.rs.
const table: [name: string, seen: string][] = [
  ['Grüße 你好 📎.txt', 'Grüße 你好 📎.txt'],
  ['annexe\u202Efdp.exe', 'annexe\uFFFDfdp.exe'],
  ['two\nlines\t', 'two\uFFFDlines\uFFFD'],
  ['gr\uEFFCn', 'gr\uFFFDn'],
  ['zero\u200Bwidth\uFEFF', 'zero\uFFFDwidth\uFFFD'],
  ['half \u{FD83D}', 'half \uFFFD'],
  ['مرحبا 👩‍💻', 'مرحبا 👩‍💻']
];

test.each(table)('%j is seen as %j', (name, seen) => {
  expect(shownName(name)).toBe(seen);
  expect(isMisleading(name)).toBe(name !== seen);
});

// The same table as in protocol/src/file_name.rs.
const texts: [text: string, seen: string][] = [
  ['two\nlines\tof text', 'two\nlines\tof text'],
  ['שלום\u200F! مرحبا\u061C', 'שלום\u200F! مرحبا\u061C'],
  ['pay\u202Elap', 'pay\uFFFDlap'],
  ['a\r\u2028b\u0085c\u001b[2J', 'a\uFFFD\uFFFDb\uFFFDc\uFFFD[2J'],
  ['exam\u200Bple.org', 'exam\uFFFDple.org']
];
test.each(texts)('of %j one sees %j', (text, seen) => expect(shownText(text)).toBe(seen));

test('a path is seen by its last name', () => {
  expect(leaf('/home/ada/a\u202Eb')).toBe('a\uFFFDb');
  expect(leaf('C:\\Users\\ada')).toBe('ada');
  expect(leaf('/')).toBe('/');
});
