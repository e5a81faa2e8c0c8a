// The one way to the web API. Answers that are not a success become an ApiError with a sentence for a person.

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

/** Lets whoever is signed in show once more who they are; false when they would rather not. */
type Confirm = () => Promise<boolean>;
let confirm: Confirm | null = null;
/** Says who asks people for it. */
export function confirmBy(how: Confirm): () => void {
  confirm = how;
  return () => (confirm = null);
}

/** Asks, and asks once more when the server wants to know first that it is still the same person. */
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

/** Sends bytes as they are. */
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

/** What an answer that is not a success says. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const problem = (await answer.json().catch(() => null)) as Partial<ProblemBody> | null;
  return new ApiError(answer.status, problem?.message ?? `The server answered ${answer.status}.`, problem?.code);
}

export const get = <T>(path: string) => ask<T>('GET', path);
export const post = <T>(path: string, body?: unknown) => ask<T>('POST', path, body);
export const put = <T>(path: string, body: unknown) => ask<T>('PUT', path, body);
export const remove = <T>(path: string, body?: unknown) => ask<T>('DELETE', path, body);

/** What went wrong, for a person. */
export const errorMessage = (error: unknown) => (error instanceof Error ? error.message : String(error));
