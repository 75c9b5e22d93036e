// Keeps the worker's page the service's view of this worker.

import { effect, signal } from '@preact/signals';
import { Refused, request } from '../api/request.ts';
import { serverClock } from '../api/server-clock.ts';
import { Stream } from '../api/stream.ts';
import type { WorkerFrame, WorkerView } from '../api/types.ts';
import { signedOut } from '../session.ts';
import { beat } from '../ticker.ts';
import { takeView, view } from './state.ts';
import { send, startTaps } from './taps.ts';

export const STALE_AFTER_MS = 15_000;
export const ageS = signal(0);

export const stream = new Stream<WorkerFrame>({ path: () => '/worker/stream', onFrame: take, poll: fetchView, onSignedOut: signedOut });

export function startFeed(): void {
  startTaps(takeView, () => void fetchView().catch(() => undefined));
  void fetchView()
    .then(() => stream.heard())
    .catch(() => undefined);
  stream.start();
}

export function tick(): void {
  ageS.value = (performance.now() - stream.heardAt.value) / 1000;
}

async function fetchView(): Promise<void> {
  try {
    takeView(await request<WorkerView>('GET', '/worker'));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) signedOut();
    throw error;
  }
}

function take(frame: WorkerFrame): void {
  serverClock.pushed(frame.server_now, performance.now());
  beat();
  ageS.value = 0;
  if (frame.type === 'view') takeView(frame);
  void send();
}

const VIBRATION_MS = [400, 150, 400, 150, 800];

let seenId = '';

/** A new offer: shake the phone, and tell the centre that it stands on the screen. */
function see(): void {
  const asked = view.value?.call;
  if (!asked || asked.state !== 'offered' || asked.offer_id === seenId) return;
  if (document.hidden) return;
  seenId = asked.offer_id;
  // Browsers let a page shake the phone only once it has been touched.
  if ('vibrate' in navigator && navigator.userActivation.hasBeenActive) navigator.vibrate(VIBRATION_MS);
  void request<WorkerView>('POST', `/offers/${asked.offer_id}/seen`, {})
    .then(takeView)
    .catch(() => undefined);
}

effect(see);
document.addEventListener('visibilitychange', see);
