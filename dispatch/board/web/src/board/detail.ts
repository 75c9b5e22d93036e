// The chosen incident in full: fetched when it is chosen and whenever its card changes.

import { effect, signal, untracked } from '@preact/signals';
import { Refused, request } from '../api/request.ts';
import type { Candidates, IncidentDetail } from '../api/types.ts';
import { notifyError } from '../parts/notices.tsx';
import { chosen, chosenId, chosenVersion, incidents, putIncident } from './state.ts';

export const detail = signal<IncidentDetail | null>(null);
/** A ranking asked for by hand; newer than the one stored with the last offer. */
export const ranking = signal<Candidates | null>(null);
export const isRanking = signal(false);

let asked = 0;
let askedRanking = 0;

export async function refreshDetail(): Promise<void> {
  const id = chosenId.value;
  if (id === null) return;
  const mine = ++asked;
  try {
    const answer = await request<IncidentDetail>('GET', `/incidents/${id}`);
    if (mine !== asked || chosenId.value !== id) return;
    detail.value = answer;
    if ((incidents.value.get(id)?.version ?? -1) < answer.card.version) putIncident(answer.card);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) notifyError(error);
    // Without a link the last picture stays; the header says how old it is.
  }
}

export async function rank(): Promise<void> {
  const id = chosenId.value;
  if (id === null) return;
  const mine = ++askedRanking;
  isRanking.value = true;
  try {
    const answer = await request<Candidates>('GET', `/incidents/${id}/candidates`);
    if (mine === askedRanking && chosenId.value === id) ranking.value = answer;
  } catch {
    // The ranking stored with the last offer stays in view, with its time.
  } finally {
    if (mine === askedRanking) isRanking.value = false;
  }
}

export function followChosen(): void {
  let shownId: string | null = null;
  effect(() => {
    void chosenVersion.value;
    untracked(() => {
      if (chosenId.value !== shownId) {
        shownId = chosenId.value;
        detail.value = null;
        ranking.value = null;
      }
      if (chosen.value) void refreshDetail();
      if (chosen.value && chosen.value.closed_at === null) void rank();
    });
  });
}
