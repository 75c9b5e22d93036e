// What an operator can do, each a request; a refusal becomes a sentence for whoever tried.

import { signal } from '@preact/signals';
import { Refused, request } from '../api/request.ts';
import type { Acted, OpenByHand, SetHealth } from '../api/types.ts';
import { notify, notifyError } from '../parts/notices.tsx';
import { signedOut } from '../session.ts';
import { fill, words } from '../words/words.ts';
import { choose } from './choose.ts';
import { putIncident } from './state.ts';
import { refreshDetail } from './detail.ts';

/** Actions under way, by `incident/action`, so that their buttons say so and cannot be pressed twice. */
export const sending = signal<ReadonlySet<string>>(new Set());

export type ActionPath =
  | 'answer'
  | 'assign'
  | 'release'
  | 'escalate'
  | 'hands'
  | 'raise'
  | 'note'
  | 'close'
  | 'confirm-cancel';

export const keyOf = (incidentId: string, path: string, detail = ''): string => `${incidentId}/${path}/${detail}`;

/** Carry out one action; true if it was done. `x` is what the message names beside the call: a worker, a kind, an outcome. */
export async function act(incidentId: string, path: ActionPath, body: unknown, x = '', detail = ''): Promise<boolean> {
  return attempt(keyOf(incidentId, path, detail), async () => {
    const { card } = await request<Acted>('POST', `/incidents/${incidentId}/${path}`, body);
    putIncident(card);
    notify(fill(words.value.did[path], { n: card.number, x }));
    void refreshDetail();
  });
}

export async function openByHand(body: OpenByHand): Promise<boolean> {
  return attempt('open', async () => {
    const { card } = await request<Acted>('POST', '/incidents', body);
    putIncident(card);
    choose(card.incident_id);
    notify(fill(words.value.did.open, { n: card.number }));
  });
}

/** Set what is to hold for an elder's readings; true if it was set. */
export async function setHealth(elderId: string, body: SetHealth): Promise<boolean> {
  return attempt(keyOf(elderId, 'health'), async () => {
    await request<unknown>('PUT', `/elders/${encodeURIComponent(elderId)}/health`, body);
    notify(words.value.health.saved);
    void refreshDetail();
  });
}

async function attempt(key: string, work: () => Promise<void>): Promise<boolean> {
  if (sending.value.has(key)) return false;
  sending.value = new Set(sending.value).add(key);
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) signedOut();
    notifyError(error);
    void refreshDetail();
    return false;
  } finally {
    sending.value = new Set([...sending.value].filter((each) => each !== key));
  }
}
