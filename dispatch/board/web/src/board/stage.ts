// How far a call is, as the board says it.

import type { IncidentCard } from '../api/types.ts';

const LIVE = ['offered', 'accepted', 'en_route', 'on_scene'];

/** The call's own state; `helped` where somebody has been and nobody more is wanted: all that is left is to close it. */
export function stageOf(card: Pick<IncidentCard, 'state' | 'closed_at' | 'wants' | 'assignments'>): string {
  if (card.closed_at !== null || card.wants > 0) return card.state;
  const states = card.assignments.map((each) => each.state);
  return states.includes('finished') && !states.some((each) => LIVE.includes(each)) ? 'helped' : card.state;
}
