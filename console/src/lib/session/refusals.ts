// Why something is not possible now, in words that follow a colon.

import type { RefusalReason } from '$lib/api/types/RefusalReason';

export const REFUSALS: Record<RefusalReason, string> = {
  ended: 'the session has ended',
  not_ended: 'the session has not ended yet',
  on_hold: 'the session is on hold',
  not_on_hold: 'the session is not on hold',
  no_customer: 'the customer is not here',
  needs_program: 'the customer is in a browser, and this needs the support program',
  needs_windows: 'only Windows keeps rights apart for administrators',
  customer_only: 'only the customer decides this',
  technician_only: 'only a technician may do this',
  owner: 'the session’s owner holds, transfers or closes it',
  not_in_control: 'somebody else has control',
  not_owner: 'the session belongs to another technician',
  not_granted: 'the customer has not allowed this',
  policy: 'the session’s policy does not allow this',
  role: 'your role does not allow this',
  only_watching: 'you only watch this session',
  asked_already: 'the customer has been asked already',
  nothing_asked: 'there is no open question',
  already: 'nothing to change',
  empty: 'there is nothing to send',
  too_long: 'a message may have up to 4,000 characters',
  stranger: 'no such participant',
  taken: 'the customer of this session is here already',
  key_dead: 'the key or link no longer works',
  too_often: 'this happened too often; please wait a moment',
  full: 'this session is full; please continue in a new one'
};
