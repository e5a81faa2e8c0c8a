// Why somebody may or may not use a right, as a sentence.

import type { Decision } from '$lib/api/types/Decision';
import { rightName } from './rights';

export function decisionText({ why_not, needs }: Decision, role: string, policy: string): string {
  const byRole = role ? `the role “${role}” does not give it` : 'the role does not give it';
  const byPolicy = `the policy “${policy}” does not allow it`;
  switch (why_not) {
    case 'role':
      return `No: ${byRole}.`;
    case 'policy':
      return `No: ${byPolicy}.`;
    case 'role_and_policy':
      return `No: ${byRole}, and ${byPolicy}.`;
    case null: {
      const also = needs.map((r) => `“${rightName(r)}”`).join(', ');
      return `Yes, if the customer allows it${also ? `, and ${also} with it` : ''}.`;
    }
  }
}
