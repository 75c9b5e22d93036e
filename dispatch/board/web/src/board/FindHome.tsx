// Search while typing; one of what is found, or the address as typed, is chosen.

import { type Signal, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { request } from '../api/request.ts';
import type { Found } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { sayPeople } from '../words/say.ts';
import { fill, sayCode, words } from '../words/words.ts';

const PAUSE_MS = 250;

/** A home that was found, or an address that was typed. */
export interface Where {
  home: Found | null;
  address: string;
}

export function FindHome({ where }: { where: Signal<Where | null> }) {
  const typed = useSignal('');
  const found = useSignal<Found[] | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const text = words.value.newCall;

  const search = (query: string): void => {
    typed.value = query;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void look(query.trim()), PAUSE_MS);
  };
  const look = async (query: string): Promise<void> => {
    if (!query) return void (found.value = null);
    try {
      const answer = await request<Found[]>('GET', `/find?q=${encodeURIComponent(query)}`);
      if (typed.value.trim() === query) found.value = answer;
    } catch {
      found.value = [];
    }
  };

  if (where.value) return <Chosen where={where.value} onChange={() => (where.value = null)} />;
  return (
    <div class="find">
      <label>
        {text.find}
        <input type="text" inputMode="search" autofocus maxLength={200} placeholder={text.findHint} value={typed.value} onInput={(event) => search(event.currentTarget.value)} />
      </label>
      <ul class="found" aria-live="polite">
        {found.value?.map((each) => (
          <li key={each.home_id}>
            <FoundHome home={each} onPick={() => (where.value = { home: each, address: each.address })} />
          </li>
        ))}
        {typed.value.trim() && (
          <li>
            {found.value?.length === 0 && <p class="quiet">{text.nothing}</p>}
            <button type="button" class="button" onClick={() => (where.value = { home: null, address: typed.value.trim() })}>
              <Icon name="pin" size={16} /> {fill(text.useAddress, { address: typed.value.trim() })}
            </button>
          </li>
        )}
      </ul>
    </div>
  );
}

function FoundHome({ home, onPick }: { home: Found; onPick: () => void }) {
  const text = words.value.newCall;
  return (
    <button type="button" class="found-home" onClick={onPick}>
      <b>{sayPeople(home.people)}</b>
      <span>{home.address}</span>
      <span class="quiet">{fill(text.foundBy, { by: sayCode('found', home.by) })}</span>
      {home.open_incident_id && <span class="tag tag-warn">{text.hasOpen}</span>}
    </button>
  );
}

function Chosen({ where, onChange }: { where: Where; onChange: () => void }) {
  const text = words.value.newCall;
  return (
    <div class="chosen-home">
      <span>
        <span class="quiet">{text.chosen}</span>
        {where.home && <b>{sayPeople(where.home.people)}</b>}
        <span>{where.address}</span>
      </span>
      <button type="button" class="button" onClick={onChange}>
        {text.change}
      </button>
    </div>
  );
}
