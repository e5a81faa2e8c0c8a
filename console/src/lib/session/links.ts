// Web addresses in what people write. Mails and the support program have the same rule (crates/protocol/src/links.rs);
// links.json is the table that both are held to.

/** A longer address is none that a person wrote. */
const LONGEST = 2_000;
/** What never stands in an address: blanks, quotes, brackets of markup, signs of scripts that need no blanks. */
const ADDRESS = /https?:\/\/[^\s\p{Cc}\p{Cf}<>"'`\\“”„‘’«»。，、；：！？（）【】「」『』《》]+/giu;
/** A host, perhaps a port, and nothing that pretends to be one. */
const HOST = /^https?:\/\/(\[[0-9a-f:.]+\]|[\p{L}\p{N}_-][\p{L}\p{M}\p{N}._-]*)(:\d{1,5})?([/?#]|$)/iu;
const BRACKETS: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** A message cut into text and web addresses; only http and https become links. */
export function pieces(text: string): { text: string; href?: string }[] {
  const parts: { text: string; href?: string }[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTail(match[0]);
    if (/[a-z0-9]/i.test(text[match.index - 1] ?? '')) continue;
    if (address.length > LONGEST || !HOST.test(address) || !URL.canParse(address)) continue;
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ text: address, href: address });
    at = match.index + address.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

/** An address without the signs of the sentence around it: a bracket belongs to it when it opens there, too. */
function withoutTail(address: string): string {
  for (;;) {
    const last = address.at(-1) ?? '';
    const opening = BRACKETS[last];
    const lonely = opening !== undefined && address.split(last).length > address.split(opening).length;
    if (!/[.,!?;:]/.test(last) && !lonely) return address;
    address = address.slice(0, -1);
  }
}
