// Everything the board knows, and what is chosen on it.

import { computed, signal } from '@preact/signals';
import type { BoardSnapshot, Centre, Delta, IncidentCard, Unstored, WorkerCard } from '../api/types.ts';
import { timeZone } from '../words/times.ts';

export const incidents = signal<ReadonlyMap<string, IncidentCard>>(new Map());
export const workers = signal<ReadonlyMap<string, WorkerCard>>(new Map());
export const centre = signal<Centre | null>(null);
/** The log entry the picture is of; null until there is one. */
export const seq = signal<number | null>(null);
/** Presses that cannot be stored just now, and whether the database is away; null while all is as it should be. */
export const unstored = signal<Unstored | null>(null);
export const chosenId = signal<string | null>(null);

export const chosen = computed(() => (chosenId.value ? (incidents.value.get(chosenId.value) ?? null) : null));
/** Changes when another incident is chosen or the chosen one has moved on. */
export const chosenVersion = computed(() => `${chosenId.value ?? ''}/${chosen.value?.version ?? ''}`);

const CLOSED_SHOWN_MS = 30 * 60_000;

export function takeSnapshot(board: BoardSnapshot): void {
  // A picture fetched by polling may be older than what a frame has brought meanwhile.
  if (seq.value !== null && board.seq < seq.value) return;
  incidents.value = new Map(board.incidents.map((each) => [each.incident_id, each]));
  workers.value = new Map(board.workers.map((each) => [each.worker_id, each]));
  centre.value = board.centre;
  timeZone.value = board.centre.time_zone;
  if (seq.value === null) chooseFirst(board.incidents);
  seq.value = board.seq;
}

/** So that the board never begins empty: the call whose clock runs out first. Later nothing is chosen but by a person. */
function chooseFirst(cards: readonly IncidentCard[]): void {
  if (chosenId.value !== null) return;
  const urgent = cards.filter((each) => each.needs_action && each.next);
  urgent.sort((a, b) => Date.parse(a.next?.at ?? '') - Date.parse(b.next?.at ?? ''));
  chosenId.value = urgent[0]?.incident_id ?? null;
}

/** Begin anew, e.g. after another database has been put behind the service. */
export function forgetPicture(): void {
  seq.value = null;
}

export function takeDelta(delta: Delta): void {
  if (delta.incidents.length) {
    const changed = new Map(incidents.value);
    for (const card of delta.incidents) if (isNews(card, changed)) changed.set(card.incident_id, card);
    incidents.value = changed;
  }
  if (delta.workers.length) {
    const changed = new Map(workers.value);
    for (const card of delta.workers) changed.set(card.worker_id, card);
    workers.value = changed;
  }
  if (delta.centre) centre.value = delta.centre;
  seq.value = delta.seq;
}

export function takeUnstored(frame: Unstored): void {
  unstored.value = frame.lines.length || frame.away_since ? frame : null;
}

/** Show a newer state of one incident; an older one is not news. */
export function putIncident(card: IncidentCard): void {
  if (isNews(card, incidents.value)) incidents.value = new Map(incidents.value).set(card.incident_id, card);
}

function isNews(card: IncidentCard, known: ReadonlyMap<string, IncidentCard>): boolean {
  const before = known.get(card.incident_id);
  return before === undefined || before.version <= card.version;
}

/** Closed calls leave the board half an hour after their end. */
export function dropOld(nowMs: number): void {
  const isOld = (each: IncidentCard): boolean =>
    each.closed_at !== null && each.incident_id !== chosenId.value && nowMs - Date.parse(each.closed_at) > CLOSED_SHOWN_MS;
  const all = [...incidents.value.values()];
  if (!all.some(isOld)) return;
  incidents.value = new Map(all.filter((each) => !isOld(each)).map((each) => [each.incident_id, each]));
}
