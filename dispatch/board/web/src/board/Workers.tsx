// All workers by state. (When the map comes it takes the upper half of the middle; this list stays.)

import { computed, signal } from '@preact/signals';
import type { WorkerCard } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { StateMark } from '../parts/StateMark.tsx';
import { now } from '../ticker.ts';
import { roughly } from '../words/times.ts';
import { fill, list, sayCode, words } from '../words/words.ts';
import { OfferButton } from './Candidates.tsx';
import { mayAct } from './rights.ts';
import { choose } from './choose.ts';
import { chosen, workers } from './state.ts';

const STATES = ['on_scene', 'en_route', 'accepted', 'offered', 'free', 'off'] as const;
/** As many rows as anybody reads; a city has thousands of workers, and the filter finds the rest. */
const ROWS_MOST = 60;

/** Chinese names by sound; a collator made once compares ten times faster than localeCompare. */
const byName = new Intl.Collator('zh');

const filter = signal('');
const folded = signal<ReadonlySet<string>>(new Set(['off']));

const byState = computed(() => {
  const wanted = filter.value.trim().toLowerCase();
  const groups = new Map<string, WorkerCard[]>(STATES.map((state) => [state, []]));
  for (const each of workers.value.values()) {
    const isWanted = `${each.name} ${each.station_id} ${each.worker_id}`.toLowerCase().includes(wanted);
    if (isWanted) (groups.get(each.state) ?? newGroup(groups, each.state)).push(each);
  }
  for (const group of groups.values()) group.sort((a, b) => byName.compare(a.name, b.name));
  return groups;
});

function newGroup(groups: Map<string, WorkerCard[]>, state: string): WorkerCard[] {
  const group: WorkerCard[] = [];
  groups.set(state, group);
  return group;
}

export function Workers() {
  const text = words.value.workers;
  return (
    <section class="panel workers" aria-label={text.title}>
      <div class="panel-head">
        <h2>{text.title}</h2>
        <span class="count">{workers.value.size}</span>
        <label class="filter">
          <Icon name="search" size={15} />
          <input type="search" aria-label={text.find} placeholder={text.find} value={filter.value} onInput={(event) => (filter.value = event.currentTarget.value)} />
        </label>
      </div>
      <div class="scroll">
        {workers.value.size === 0 && <p class="empty quiet">{text.none}</p>}
        {[...byState.value].map(([state, group]) => group.length > 0 && <StateGroup key={state} state={state} group={group} />)}
      </div>
    </section>
  );
}

function StateGroup({ state, group }: { state: string; group: WorkerCard[] }) {
  const isOpen = !folded.value.has(state) || filter.value !== '';
  const toggle = (): void => {
    const next = new Set(folded.value);
    if (!next.delete(state)) next.add(state);
    folded.value = next;
  };
  return (
    <section class="worker-group">
      <h3>
        <button type="button" class="plain fold" aria-expanded={isOpen} onClick={toggle}>
          <Icon name="down" size={16} /> <StateMark group="worker" code={state} /> <span class="count">{group.length}</span>
        </button>
      </h3>
      {isOpen && (
        <ul class="worker-list">
          {group.slice(0, ROWS_MOST).map((each) => (
            <WorkerRow key={each.worker_id} worker={each} />
          ))}
        </ul>
      )}
      {isOpen && group.length > ROWS_MOST && <p class="quiet rest">{fill(words.value.workers.more, { n: group.length - ROWS_MOST })}</p>}
    </section>
  );
}

function WorkerRow({ worker }: { worker: WorkerCard }) {
  const skills = list(worker.skills.map((code) => sayCode('skill', code)));
  return (
    <li class="worker">
      <b>{worker.name}</b>
      <span class="quiet">{[sayCode('travel', worker.travel), skills].filter(Boolean).join(' · ')}</span>
      <PlaceAge worker={worker} />
      <span class="worker-buttons">
        <WorkerButtons worker={worker} />
      </span>
    </li>
  );
}

function WorkerButtons({ worker }: { worker: WorkerCard }) {
  const { incident_id: incidentId, phone } = worker;
  const card = chosen.value;
  return (
    <>
      {phone && (
        <a class="button button-icon" href={`tel:${phone}`} aria-label={fill(words.value.detail.call, { name: worker.name })} title={phone}>
          <Icon name="phone" size={15} />
        </a>
      )}
      {incidentId && (
        <button type="button" class="button" onClick={() => choose(incidentId)}>
          {words.value.workers.onCall}
        </button>
      )}
      {mayAct.value && worker.state === 'free' && card && card.closed_at === null && (
        <OfferButton card={card} workerId={worker.worker_id} name={worker.name} />
      )}
    </>
  );
}

function PlaceAge({ worker }: { worker: WorkerCard }) {
  const text = words.value.workers;
  if (worker.place_at === null) return <span class="quiet worker-place">{text.noPlace}</span>;
  // Rounded to whole minutes by roughly(); the ticker renews it.
  const seconds = Math.max(0, (now.value - Date.parse(worker.place_at)) / 1000);
  return (
    <span class={`worker-place ${seconds > 300 ? 'old' : 'quiet'}`} title={text.place}>
      <Icon name="pin" size={14} /> {fill(text.placeAt, { time: roughly(seconds) })}
    </span>
  );
}
