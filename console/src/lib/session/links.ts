// Web addresses in what people write. Mails and the support program have the same rule
// (crates/protocol/src/links.rs); both are tested against links.json.

/** Nobody writes longer addresses. */
const LONGEST = 2_000;
/** Characters that an address never contains: spaces, quotes, brackets of markup, punctuation of scripts without spaces. */
const ADDRESS = /https?:\/\/[^\s\p{Cc}\p{Cf}<>"'`\\“”„‘’«»。，、；：！？（）【】「」『』《》]+/giu;
/** A host, optionally a port, and nothing that disguises it. */
const HOST = /^https?:\/\/(\[[0-9a-f:.]+\]|[\p{L}\p{N}_-][\p{L}\p{M}\p{N}._-]*)(:\d{1,5})?([/?#]|$)/iu;
const BRACKETS: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** Splits a message into text and web addresses; only http and https become links. */
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

/** An address without the punctuation of the sentence around it. A closing bracket belongs to it if it opens there, too. */
function withoutTail(address: string): string {
  for (;;) {
    const last = address.at(-1) ?? '';
    const opening = BRACKETS[last];
    const lonely = opening !== undefined && address.split(last).length > address.split(opening).length;
    if (!/[.,!?;:]/.test(last) && !lonely) return address;
    address = address.slice(0, -1);
  }
}
