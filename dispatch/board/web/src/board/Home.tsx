// Who lives there, whom to call, and how to get in.

import type { Access as AccessFacts, ContactCard, PersonCard } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { Reveal } from '../parts/Reveal.tsx';
import { sayPerson } from '../words/say.ts';
import { fill, sayAny, sayCode, words } from '../words/words.ts';

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
