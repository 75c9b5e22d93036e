// Which call stands where. Pure but for the hold: rows do not move while somebody points at them.

import { computed, effect, signal } from '@preact/signals';
import type { IncidentCard } from '../api/types.ts';
import { centre, incidents } from './state.ts';

export const HOLD_MS = 1_500;

export interface Groups {
  needsAction: readonly string[];
  inProgress: readonly string[];
  closed: readonly string[];
}

/** Earliest unmet deadline first; those without one last; of equals the graver, then the older. */
function byDeadline(cards: IncidentCard[]): IncidentCard[] {
  // Parsed once each: in a flood there are thousands of calls, and each is compared a dozen times.
  const due = new Map(cards.map((each) => [each, each.next ? Date.parse(each.next.at) : Number.MAX_VALUE]));
  const at = (card: IncidentCard): number => due.get(card) ?? Number.MAX_VALUE;
  return cards.sort((a, b) => at(a) - at(b) || a.band - b.band || a.number - b.number);
}

/** The service's own test press: it is answered and closed at once, and is nobody's call. */
function isCanary(card: IncidentCard): boolean {
  const home = centre.value?.canary?.home_id;
  return card.is_exercise && card.closed_at !== null && home != null && card.subject_id === home;
}

export function group(cards: Iterable<IncidentCard>): Groups {
  const all = [...cards].filter((each) => !isCanary(each));
  const ids = (chosen: IncidentCard[]): string[] => chosen.map((each) => each.incident_id);
  const open = byDeadline(all.filter((each) => each.closed_at === null));
  const closed = all.filter((each) => each.closed_at !== null);
  // RFC 3339 in UTC sorts as text.
  closed.sort((a, b) => ((a.closed_at ?? '') < (b.closed_at ?? '') ? 1 : -1));
  return {
    needsAction: ids(open.filter((each) => each.needs_action)),
    inProgress: ids(open.filter((each) => !each.needs_action)),
    closed: ids(closed),
  };
}

const wanted = computed(() => group(incidents.value.values()));

/** The order on the screen; behind `wanted` while it is held. */
export const shown = signal<Groups>({ needsAction: [], inProgress: [], closed: [] });
export const isHeld = signal(false);
/** The order is held, and would be another one by now. */
export const isBehind = computed(() => isHeld.value && JSON.stringify(shown.value) !== JSON.stringify(wanted.value));

/** Calls that need action and are not on the screen yet because the order is held. */
export const waiting = computed(() => {
  const there = new Set([...shown.value.needsAction, ...shown.value.inProgress, ...shown.value.closed]);
  return wanted.value.needsAction.filter((id) => !there.has(id));
});

let release: ReturnType<typeof setTimeout> | undefined;

/** Somebody moves the pointer or the focus in the list: hold the order until 1.5 s after the last time. */
export function hold(): void {
  isHeld.value = true;
  clearTimeout(release);
  release = setTimeout(letGo, HOLD_MS);
}

export function letGo(): void {
  clearTimeout(release);
  isHeld.value = false;
}

effect(() => {
  if (!isHeld.value) shown.value = wanted.value;
});
