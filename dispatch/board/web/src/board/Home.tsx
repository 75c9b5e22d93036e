// Who lives there, whom to call, how to get in, and what was last measured.

import { useSignal } from '@preact/signals';
import type { Access as AccessFacts, ContactCard, PersonCard, ReadingCard } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { Reveal } from '../parts/Reveal.tsx';
import { sayPerson } from '../words/say.ts';
import { clockTime } from '../words/times.ts';
import { fill, lookUp, sayAny, sayCode, words } from '../words/words.ts';

export function People({ people, address }: { people: PersonCard[]; address: string }) {
  return (
    <section class="block" aria-label={words.value.detail.people}>
      {people.length === 0 && <p class="quiet">{words.value.board.noPerson}</p>}
      {people.map((each) => (
        <Person key={each.elder_id} person={each} />
      ))}
      <p class="address">
        <Icon name="pin" size={16} /> {address || words.value.board.noAddress}
      </p>
    </section>
  );
}

export function Person({ person }: { person: PersonCard }) {
  return (
    <div class="resident">
      <p class="resident-name">
        <b>{sayPerson(person)}</b>
        {person.phone && <CallLink name={person.name} phone={person.phone} />}
      </p>
      {person.risks.length > 0 && (
        <ul class="risks">
          {person.risks.map((code) => (
            <li key={code} class="tag tag-warn">
              {sayCode('risk', code)}
            </li>
          ))}
        </ul>
      )}
      {person.note && <p class="quiet">{person.note}</p>}
    </div>
  );
}

export function CallLink({ name, phone }: { name: string; phone: string }) {
  return (
    <a class="button call" href={`tel:${phone}`} aria-label={`${fill(words.value.detail.call, { name })} ${phone}`}>
      <Icon name="phone" size={15} /> {phone}
    </a>
  );
}

export function Contacts({ contacts }: { contacts: ContactCard[] }) {
  const text = words.value.detail;
  return (
    <section class="block" aria-label={text.contacts}>
      <h3>{text.contacts}</h3>
      {contacts.length === 0 && <p class="quiet">{text.noContacts}</p>}
      <ul class="contacts">
        {contacts.map((each) => (
          <li key={each.rank}>
            <span>
              <b>{each.name}</b> <span class="quiet">{sayAny(['relation'], each.relation)}</span>
              {each.has_key && <span class="tag tag-good">{text.hasKey}</span>}
            </span>
            {each.phone && <CallLink name={each.name} phone={each.phone} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Access({ access }: { access: AccessFacts }) {
  const text = words.value.detail;
  const { floor, has_lift: hasLift, door_code: doorCode, key_safe: keySafe, note } = access;
  const lift = hasLift === undefined || hasLift === null ? '' : hasLift ? text.hasLift : text.noLift;
  const level = floor === undefined || floor === null ? '' : fill(text.floor, { n: floor });
  const isEmpty = !lift && !level && !doorCode && !keySafe && !note;
  return (
    <section class="block" aria-label={text.access}>
      <h3>{text.access}</h3>
      {isEmpty && <p class="quiet">{text.noAccess}</p>}
      {(level || lift) && <p>{[level, lift].filter(Boolean).join(' · ')}</p>}
      {doorCode && <Reveal label={text.doorCode} secret={doorCode} />}
      {keySafe && <Reveal label={text.keySafe} secret={keySafe} />}
      {note && (
        <p>
          <span class="quiet">{text.accessNote}</span> {note}
        </p>
      )}
    </section>
  );
}

const MEASURED = [
  'heart_rate_bpm',
  'spo2_percent',
  'systolic_mmhg',
  'diastolic_mmhg',
  'temperature_c',
  'respiration_per_min',
] as const;

export function Readings({ readings }: { readings: ReadingCard[] }) {
  const isAll = useSignal(false);
  if (readings.length === 0) return null;
  const text = words.value.detail;
  const shown = isAll.value ? readings : readings.slice(0, 3);
  return (
    <section class="block" aria-label={text.readings}>
      <h3>{text.readings}</h3>
      <ul class="readings">
        {shown.map((each) => (
          <li key={`${each.terminal_id}/${each.at}`}>
            <time class="quiet">{clockTime(each.at)}</time> {sayReading(each)}
          </li>
        ))}
      </ul>
      {readings.length > 3 && (
        <button type="button" class="plain" aria-expanded={isAll.value} onClick={() => (isAll.value = !isAll.value)}>
          {isAll.value ? text.hide : text.reveal} ({readings.length})
        </button>
      )}
    </section>
  );
}

function sayReading(reading: ReadingCard): string {
  const measured = MEASURED.filter((name) => reading[name] !== null && reading[name] !== undefined);
  return measured.map((name) => fill(lookUp('reading', name) ?? name, { n: String(reading[name]) })).join(' · ');
}
