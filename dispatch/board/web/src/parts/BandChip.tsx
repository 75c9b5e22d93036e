// How grave a call is: shape, colour and word together, never colour alone.

import { lookUp } from '../words/words.ts';

const SHAPES = ['M12 3 22.500 21h-21Z', 'M12 2 22 12 12 22 2 12Z', 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16'] as const;

/** Bands 2 and 3 are one grade on the screen. */
export function grade(band: number): 0 | 1 | 2 {
  return band <= 0 ? 0 : band === 1 ? 1 : 2;
}

export function BandChip({ band, big = false }: { band: number; big?: boolean }) {
  const shown = grade(band);
  return (
    <span class={`band band-${shown}${big ? ' band-big' : ''}`}>
      <svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d={SHAPES[shown]} />
      </svg>
      <span>{lookUp('band', String(band)) ?? `P${band + 1}`}</span>
    </span>
  );
}
