// The client of the web API. Unsuccessful answers become an ApiError with a sentence for a person.

import type { Problem as ProblemBody } from './types/Problem';
import type { ProblemCode } from './types/ProblemCode';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code?: ProblemCode
  ) {
    super(message);
  }
}

/** Asks the signed-in person to confirm who they are; false when they decline. */
type Confirm = () => Promise<boolean>;
let confirm: Confirm | null = null;
/** Sets the function that asks for confirmation. */
export function confirmBy(how: Confirm): () => void {
  confirm = how;
  return () => (confirm = null);
}

/** Sends a request, and repeats it after a confirmation if the server requires one. */
async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  try {
    return await askOnce<T>(method, path, body);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'confirm' && confirm && (await confirm()))) throw error;
    return askOnce<T>(method, path, body);
  }
}

async function askOnce<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body)
    });
  } catch {
    throw new ApiError(0, 'The server cannot be reached. Please check your connection.');
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  throw await errorOf(answer);
}

/** Sends raw bytes. */
export async function send(
  method: string,
  path: string,
  body: Blob,
  headers: Record<string, string> = {}
): Promise<void> {
  const answer = await fetch(path, { method, body, headers }).catch(() => null);
  if (!answer) throw new ApiError(0, 'The server cannot be reached. Please check your connection.');
  if (!answer.ok) throw await errorOf(answer);
}

/** The error of an unsuccessful answer. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const problem = (await answer.json().catch(() => null)) as Partial<ProblemBody> | null;
  return new ApiError(answer.status, problem?.message ?? `The server answered ${answer.status}.`, problem?.code);
}

export const get = <T>(path: string) => ask<T>('GET', path);
export const post = <T>(path: string, body?: unknown) => ask<T>('POST', path, body);
export const put = <T>(path: string, body: unknown) => ask<T>('PUT', path, body);
export const remove = <T>(path: string, body?: unknown) => ask<T>('DELETE', path, body);

/** An error as a sentence for a person. */
export const errorMessage = (error: unknown) => (error instanceof Error ? error.message : String(error));
