// A clock and what it brings: "00:21 → supervisor"; past zero it counts up and says overdue.

import { now } from '../ticker.ts';
import { minutesSeconds } from '../words/times.ts';
import { words } from '../words/words.ts';
import type { NextStep } from '../api/types.ts';
import { sayNext } from '../words/say.ts';

const HOT_MS = 10_000;
const WARM_MS = 30_000;

export function heat(leftMs: number): 'calm' | 'warm' | 'hot' | 'over' {
  if (leftMs <= 0) return 'over';
  if (leftMs <= HOT_MS) return 'hot';
  return leftMs <= WARM_MS ? 'warm' : 'calm';
}

export function Countdown({ next }: { next: NextStep }) {
  const leftMs = Date.parse(next.at) - now.value;
  const state = heat(leftMs);
  const isOver = state === 'over';
  // Rounded up, so that 00:00 is shown only when the time really is up.
  const shown = isOver ? `+${minutesSeconds(-leftMs)}` : minutesSeconds(leftMs + 999);
  return (
    <span class={`countdown countdown-${state}`} role="timer">
      <span class="countdown-time">{shown}</span>
      {isOver && <span class="countdown-word">{words.value.board.overdue}</span>}
      <span class="countdown-then">→ {sayNext(next)}</span>
    </span>
  );
}
