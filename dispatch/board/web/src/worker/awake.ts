// A phone that goes dark hears no offer: while on duty and in view the page asks for the screen to stay on.

import { effect } from '@preact/signals';
import { isOnDuty } from './state.ts';

let lock: WakeLockSentinel | null = null;

export function stayAwake(): void {
  effect(() => void (isOnDuty.value ? hold() : letGo()));
  // The browser takes the lock away whenever the page is hidden.
  document.addEventListener('visibilitychange', () => void (isOnDuty.peek() && hold()));
}

async function hold(): Promise<void> {
  if (!('wakeLock' in navigator) || document.hidden || (lock !== null && !lock.released)) return;
  try {
    lock = await navigator.wakeLock.request('screen');
  } catch {
    // Refused, e.g. to save the battery: the page works all the same.
  }
}

async function letGo(): Promise<void> {
  await lock?.release();
  lock = null;
}
