// Passkeys: between this browser's authenticator and the server.

import { get, post } from '$lib/api/client';
import type { OwnPasskey } from '$lib/api/types/OwnPasskey';
import type { OwnPasskeys } from '$lib/api/types/OwnPasskeys';

export const passkeysSupported = () =>
  typeof PublicKeyCredential !== 'undefined' && 'parseCreationOptionsFromJSON' in PublicKeyCredential;

/** The authenticator's error as a sentence. */
function deviceError(error: unknown): Error {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError') return new Error('The device gave no passkey: it was cancelled, or took too long.');
  if (name === 'InvalidStateError') return new Error('This device has a passkey for this account already.');
  return error instanceof Error ? error : new Error(String(error));
}

export const passkeys = () => get<OwnPasskeys>('/api/me/passkeys');

/** Creates a passkey for the signed-in person. */
export async function makePasskey(name: string): Promise<OwnPasskey> {
  const { publicKey } = await post<{ publicKey: PublicKeyCredentialCreationOptionsJSON }>('/api/me/passkeys/begin');
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey);
  const made = await navigator.credentials.create({ publicKey: options }).catch((e) => Promise.reject(deviceError(e)));
  return post<OwnPasskey>('/api/me/passkeys', { name, credential: (made as PublicKeyCredential).toJSON() });
}

/** Signs in with a passkey of this device. */
export const signInWithPasskey = async () => post('/api/sign-in/passkey', await provePasskey());

/** The response of a passkey of this device. */
export async function provePasskey(): Promise<{ name: string; credential: unknown }> {
  type Question = { name: string; question: { publicKey: PublicKeyCredentialRequestOptionsJSON } };
  const { name, question } = await post<Question>('/api/sign-in/passkey/begin');
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(question.publicKey);
  const answer = await navigator.credentials.get({ publicKey: options }).catch((e) => Promise.reject(deviceError(e)));
  return { name, credential: (answer as PublicKeyCredential).toJSON() };
}
