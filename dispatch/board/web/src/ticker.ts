// The page's only ticker: one beat a second for every countdown, and the server's time at that beat.

import { signal } from '@preact/signals';
import { serverClock } from './api/server-clock.ts';

/** The server's time in milliseconds, renewed each second. */
export const now = signal(serverClock.now());

const listeners = new Set<() => void>();

export function onTick(listener: () => void): void {
  listeners.add(listener);
}

/** Read the clock at once, after a frame has told the server's time. */
export function beat(): void {
  now.value = serverClock.now();
}

export function startTicker(): void {
  const worker = new Worker(new URL('./ticker.worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = () => {
    beat();
    for (const listener of listeners) listener();
  };
}
