// Connection, counts by state, the time, and who is here.

import { computed } from '@preact/signals';
import { Icon } from '../parts/Icon.tsx';
import { StateMark } from '../parts/StateMark.tsx';
import { LanguageSwitch, ThemeSwitch } from '../parts/switches.tsx';
import { signOut, who } from '../session.ts';
import { now } from '../ticker.ts';
import { clockTime } from '../words/times.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { Connection } from './Connection.tsx';
import { stageOf } from './stage.ts';
import { centre, incidents } from './state.ts';

const COUNTED = ['unanswered', 'waiting', 'offered', 'accepted', 'en_route', 'on_scene', 'helped'] as const;

const counts = computed(() => {
  const found = new Map<string, number>(COUNTED.map((state) => [state, 0]));
  const add = (state: string): void => void found.set(state, (found.get(state) ?? 0) + 1);
  for (const each of incidents.value.values()) {
    if (each.closed_at !== null) continue;
    if (each.answered_at === null) add('unanswered');
    add(stageOf(each));
  }
  return found;
});

export function Header() {
  return (
    <header class="header">
      <Connection />
      <ul class="counts" aria-label={words.value.board.counts}>
        {COUNTED.map((state) => (
          <li key={state} class={counts.value.get(state) ? '' : 'none'}>
            <b>{counts.value.get(state)}</b> <StateMark group="state" code={state} />
          </li>
        ))}
      </ul>
      <Parked />
      <Troubles />
      <Canary />
      <span class="spacer" />
      <time class="clock">{clockTime(now.value)}</time>
      <Person />
      <LanguageSwitch />
      <ThemeSwitch />
      <button type="button" class="plain" aria-label={words.value.signIn.out} title={words.value.signIn.out} onClick={() => void signOut()}>
        <Icon name="out" />
      </button>
    </header>
  );
}

function Parked() {
  const n = centre.value?.parked ?? 0;
  if (n === 0) return null;
  return (
    <span class="tag tag-warn" title={words.value.link.parkedWhy}>
      <Icon name="unreadable" size={15} /> {fill(words.value.link.parked, { n })}
    </span>
  );
}

/** What is wrong with the centre itself, even while it cannot be kept as a call. */
function Troubles() {
  const codes = centre.value?.troubles ?? [];
  return (
    <>
      {codes.map((code) => (
        <span key={code} class="tag tag-bad" role="alert" title={sayCode('trouble', code)}>
          <Icon name="alert" size={15} /> {sayCode('kind', code)}
        </span>
      ))}
    </>
  );
}

/** When the service last heard its own test press through the whole chain. */
function Canary() {
  const canary = centre.value?.canary;
  if (!canary) return null;
  const text = words.value.watch;
  const { heard_at, stored_ms, shown_ms } = canary;
  if (heard_at === null) return <span class="canary">{text.canaryNever}</span>;
  const why = fill(text.canaryWhy, { stored_ms: stored_ms ?? undefined, shown_ms: shown_ms ?? undefined });
  return (
    <span class="canary" title={why}>
      <Icon name="canary" size={15} /> {fill(text.canary, { time: clockTime(heard_at) })}
    </span>
  );
}

function Person() {
  const person = who.value;
  if (!person) return null;
  return (
    <span class="person">
      <b>{person.name}</b> <span class="quiet">{sayCode('role', person.role)}</span>
    </span>
  );
}
