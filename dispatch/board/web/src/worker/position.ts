// The phone's position, while on duty only: at most every 10 s, the newest fix, never queued.

import { effect, signal } from '@preact/signals';
import { request } from '../api/request.ts';
import { serverClock } from '../api/server-clock.ts';
import { isOnDuty } from './state.ts';

const EVERY_MS = 10_000;

export type Positioning = 'off' | 'waiting' | 'good' | 'denied' | 'unsupported' | 'failed';

export const positioning = signal<Positioning>('off');
export const accuracyM = signal(0);
/** The server's time when it last took a position; null if never. */
export const sentAt = signal<number | null>(null);

let watch: number | null = null;
let newest: GeolocationPosition | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let lastTried = Number.NEGATIVE_INFINITY;

export function startPosition(): void {
  effect(() => (isOnDuty.value ? begin() : end()));
}

function begin(): void {
  if (watch !== null) return;
  if (!('geolocation' in navigator) || !isSecureContext) {
    positioning.value = 'unsupported';
    return;
  }
  positioning.value = 'waiting';
  const options = { enableHighAccuracy: true, maximumAge: 5_000, timeout: 30_000 };
  watch = navigator.geolocation.watchPosition(found, failed, options);
}

function end(): void {
  if (watch !== null) navigator.geolocation.clearWatch(watch);
  clearTimeout(timer);
  watch = null;
  newest = null;
  positioning.value = 'off';
}

function found(position: GeolocationPosition): void {
  positioning.value = 'good';
  accuracyM.value = position.coords.accuracy;
  newest = position;
  clearTimeout(timer);
  timer = setTimeout(() => void report(), Math.max(0, lastTried + EVERY_MS - performance.now()));
}

function failed(error: GeolocationPositionError): void {
  positioning.value = error.code === error.PERMISSION_DENIED ? 'denied' : 'failed';
}

async function report(): Promise<void> {
  if (newest === null) return;
  lastTried = performance.now();
  const { latitude, longitude, accuracy } = newest.coords;
  const at = new Date(newest.timestamp).toISOString();
  try {
    await request<unknown>('POST', '/worker/place', { lat: latitude, lon: longitude, accuracy_m: accuracy, at });
    sentAt.value = serverClock.now();
  } catch {
    // The next fix is newer and goes out by itself.
  }
}
