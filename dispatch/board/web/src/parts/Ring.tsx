// The time left of a known length as a ring that empties, with the time itself inside.

import { now } from '../ticker.ts';
import { minutesSeconds } from '../words/times.ts';
import { heat } from './Countdown.tsx';

const RADIUS = 54;
const AROUND = 2 * Math.PI * RADIUS;

export function Ring({ from, until, label }: { from: string; until: string; label: string }) {
  const leftMs = Date.parse(until) - now.value;
  const wholeMs = Math.max(1, Date.parse(until) - Date.parse(from));
  const share = Math.min(1, Math.max(0, leftMs / wholeMs));
  const shown = leftMs > 0 ? minutesSeconds(leftMs + 999) : `+${minutesSeconds(-leftMs)}`;
  return (
    <div class={`ring ring-${heat(leftMs)}`} role="timer" aria-label={`${label} ${shown}`}>
      <svg viewBox="0 0 120 120" aria-hidden="true" focusable="false">
        <circle class="ring-track" cx="60" cy="60" r={RADIUS} />
        <circle class="ring-left" cx="60" cy="60" r={RADIUS} stroke-dasharray={AROUND} stroke-dashoffset={AROUND * (1 - share)} />
      </svg>
      <span class="ring-time">{shown}</span>
      <span class="ring-label">{label}</span>
    </div>
  );
}
