// What the worker's page knows: the service's view, and what taps not yet sent will make of it.

import { computed, signal } from '@preact/signals';
import type { WorkerCall, WorkerView } from '../api/types.ts';
import { timeZone } from '../words/times.ts';
import { pending } from './taps.ts';

export const view = signal<WorkerView | null>(null);

/** Views come by stream, by poll and as answers; an older one is not news. */
export function takeView(fresh: WorkerView): void {
  const known = view.value;
  if (known && Date.parse(known.server_now) > Date.parse(fresh.server_now)) return;
  timeZone.value = fresh.time_zone;
  view.value = fresh;
}

const STATE_AFTER: Record<string, string> = {
  accept: 'accepted',
  depart: 'en_route',
  arrive: 'on_scene',
  finish: 'finished',
  decline: 'declined',
};

/** The call as it stands once the saved taps have arrived; null without one. */
export const call = computed<WorkerCall | null>(() => {
  const told = view.value?.call ?? null;
  if (told === null) return null;
  const mine = pending.value.filter((each) => each.offerId === told.offer_id);
  const state = mine.reduce((before, each) => STATE_AFTER[each.step] ?? before, told.state);
  if (state === 'declined' || state === 'finished') return null;
  const isAnswered = mine.some((each) => each.step === 'ok');
  return { ...told, state, question: isAnswered ? null : told.question };
});

export const isOnDuty = computed(() => {
  const last = pending.value.findLast((each) => each.step === 'duty');
  const wanted = (last?.body as { is_on_duty?: boolean } | undefined)?.is_on_duty;
  return wanted ?? view.value?.is_on_duty ?? false;
});
