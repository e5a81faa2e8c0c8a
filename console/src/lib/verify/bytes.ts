// Bytes, hashes and signatures, with functions that every browser has.

export const hex = (bytes: ArrayBuffer | Uint8Array) =>
  [...new Uint8Array(bytes as ArrayBuffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
export const sha = async (bytes: BufferSource) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
export const utf8 = (text: string) => new TextEncoder().encode(text);

export function unhex(text: string, length: number): Uint8Array<ArrayBuffer> | null {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length }, (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16));
}

/** Whether a key has signed a text (Ed25519). */
export async function signed(key: string, text: string, signature: string): Promise<boolean> {
  const [k, s] = [unhex(key, 32), unhex(signature, 64)];
  if (!k || !s) return false;
  const imported = await crypto.subtle.importKey('raw', k, 'Ed25519', false, ['verify']).catch(() => null);
  return imported !== null && crypto.subtle.verify('Ed25519', imported, s, utf8(text));
}

/** The fingerprint of a key. */
export async function fingerprint(key: string): Promise<string> {
  return hex((await sha(utf8(key))).slice(0, 16)).replace(/(.{4})(?=.)/g, '$1 ');
}

/** SHA-256 of data that may not fit into memory; browsers offer it only for whole buffers. */
export async function sum(content: Blob): Promise<string> {
  return hex(await sha(await content.arrayBuffer()));
}

/**
 * Text of a bundle made safe to show. A forger controls it, so nothing in it may look like text of this
 * page: no reversed letters, no line of its own.
 */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu, '\ufffd');
}
