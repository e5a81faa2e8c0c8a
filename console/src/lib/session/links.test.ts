import { describe, expect, it } from 'vitest';
import table from './links.json';
import { pieces } from './links';

describe('links', () => {
  it.each(table as [string, string[]][])('%s', (text, links) => {
    const parts = pieces(text);
    expect(parts.flatMap((p) => p.href ?? [])).toEqual(links);
    expect(parts.map((p) => p.text).join('')).toBe(text);
  });
});
