// How far this worker is: accepted, left, there, done.

import { words } from '../words/words.ts';

const ORDER = ['accepted', 'en_route', 'on_scene', 'finished'] as const;

export function Steps({ state }: { state: string }) {
  const steps = words.value.detail.steps;
  const reached = ORDER.indexOf(state as (typeof ORDER)[number]);
  return (
    <ol class="track track-phone">
      {ORDER.map((step, index) => (
        <li key={step} class={index <= reached ? 'reached' : ''} aria-current={index === reached ? 'step' : undefined}>
          <span class="track-name">{steps[step]}</span>
        </li>
      ))}
    </ol>
  );
}
