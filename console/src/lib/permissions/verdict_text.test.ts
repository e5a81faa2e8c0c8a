import { expect, test } from 'vitest';
import type { Verdict } from '$lib/api/types/Verdict';
import { verdictText } from './verdict_text';

const verdict = (why_not: Verdict['why_not'], needs: Verdict['needs'] = []): Verdict => ({
  right: 'control',
  why_not,
  needs
});

test.each([
  [verdict(null), 'Yes, if the customer allows it.'],
  [verdict(null, ['view']), 'Yes, if the customer allows it, and “See the screen” with it.'],
  [verdict('role'), 'No: the role “Trainee” does not give it.'],
  [verdict('policy'), 'No: the policy “Default” does not allow it.'],
  [verdict('role_and_policy'), 'No: the role “Trainee” does not give it, and the policy “Default” does not allow it.']
])('%j', (verdict, text) => expect(verdictText(verdict, 'Trainee', 'Default')).toBe(text));

test('without a role there is none to name', () => {
  expect(verdictText(verdict('role'), '', 'Default')).toBe('No: the role does not give it.');
});
