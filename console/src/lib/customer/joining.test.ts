import { expect, test } from 'vitest';
import type { Invitation } from '$lib/api/types/Invitation';
import { passOf, SessionMemory } from './joining';

test.each([
  ['key=123456789', { by: 'key', key: '123456789' }],
  ['a-token', { by: 'link', token: 'a-token' }],
  ['', { by: 'link', token: '' }]
])('%j', (secret, pass) => expect(passOf(secret)).toEqual(pass));

test('a session is remembered by its invitation, and forgotten', () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key)
  };
  const [one, other] = [new SessionMemory('one', storage), new SessionMemory('other', storage)];
  one.write({ token: 't', invitation: { subject: 'Printer' } as Invitation });
  expect(one.read()).toEqual({ token: 't', invitation: { subject: 'Printer' } });
  expect(other.read()).toBeNull();
  one.forget();
  expect(one.read()).toBeNull();
});
