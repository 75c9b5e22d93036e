// Times and lengths as people read them.

import { signal } from '@preact/signals';
import { fill, words } from './words.ts';

/** The centre's time zone; undefined means this machine's. */
export const timeZone = signal<string | undefined>(undefined);

/** 13:40:18, in the centre's time zone. */
export function clockTime(instant: string | number): string {
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return String(instant);
  const zone = timeZone.value;
  return at.toLocaleTimeString('en-GB', { hour12: false, ...(zone ? { timeZone: zone } : {}) });
}

/** 03:07, or 1:03:07 from an hour on; never negative. */
export function minutesSeconds(milliseconds: number): string {
  const whole = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** A length in one unit, rounded to what matters: "40 s", "3 min", "2 h". */
export function roughly(seconds: number): string {
  const unit = words.value.unit;
  if (seconds < 60) return fill(unit.seconds, { n: Math.max(0, Math.round(seconds)) });
  if (seconds < 5400) return fill(unit.minutes, { n: Math.round(seconds / 60) });
  return fill(unit.hours, { n: Math.round(seconds / 3600) });
}

/** How far away somebody is: whole minutes, at least one. */
export function etaMinutes(seconds: number): string {
  return fill(words.value.unit.minutes, { n: Math.max(1, Math.round(seconds / 60)) });
}

export function distance(metres: number): string {
  const unit = words.value.unit;
  return metres < 950
    ? fill(unit.metres, { n: Math.round(metres / 10) * 10 })
    : fill(unit.kilometres, { n: (metres / 1000).toFixed(1) });
}
