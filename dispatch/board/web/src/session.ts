// Who is signed in on this browser.

import { signal } from '@preact/signals';
import { Refused, request } from './api/request.ts';
import type { Who } from './api/types.ts';
import { isLanguage, type Language, speak } from './words/words.ts';

/** Undefined until the service has been asked, null when nobody is signed in. */
export const who = signal<Who | null | undefined>(undefined);

const RETRY_MS = 3_000;

/** Ask the service who this is, until it answers. */
export async function findOutWho(): Promise<void> {
  for (;;) {
    try {
      welcome(await request<Who>('GET', '/session'));
      return;
    } catch (error) {
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        who.value = null;
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

export async function signIn(name: string, password: string): Promise<void> {
  welcome(await request<Who>('POST', '/session', { name, password }));
}

export async function signOut(): Promise<void> {
  try {
    await request<unknown>('DELETE', '/session');
  } finally {
    who.value = null;
  }
}

/** The session has ended on the service's side: show the sign-in page again. */
export function signedOut(): void {
  who.value = null;
}

export async function rememberLanguage(language: Language): Promise<void> {
  try {
    who.value = await request<Who>('PUT', '/session/language', { language });
  } catch {
    // The choice holds on this browser all the same.
  }
}

function welcome(answer: Who): void {
  // A worker has no account to keep a language in: the phone's own choice, or what it speaks, holds.
  if (answer.worker_id === null && isLanguage(answer.language)) speak(answer.language);
  who.value = answer;
}
