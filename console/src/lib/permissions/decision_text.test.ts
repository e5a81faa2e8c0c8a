import { expect, test } from 'vitest';
import type { Decision } from '$lib/api/types/Decision';
import { decisionText } from './decision_text';

const verdict = (why_not: Decision['why_not'], needs: Decision['needs'] = []): Decision => ({
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
])('%j', (verdict, text) => expect(decisionText(verdict, 'Trainee', 'Default')).toBe(text));

test('without a role there is none to name', () => {
  expect(decisionText(verdict('role'), '', 'Default')).toBe('No: the role does not give it.');
});
