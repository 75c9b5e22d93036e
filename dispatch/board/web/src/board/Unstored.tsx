// Presses that the service has heard and cannot store just now: above everything, with whom to phone, from its memory.

import type { PhoneCard, UnstoredCard } from '../api/types.ts';
import { BandChip } from '../parts/BandChip.tsx';
import { Icon } from '../parts/Icon.tsx';
import { KindMark } from '../parts/StateMark.tsx';
import { clockTime } from '../words/times.ts';
import { fill, list, sayAny, words } from '../words/words.ts';
import { CallLink } from './Home.tsx';
import { unstored } from './state.ts';

/** The share of the window from which more presses may wait with the broker, unseen. */
const NEARLY_FULL = 0.8;

export function Unstored() {
  const waiting = unstored.value;
  if (!waiting || (waiting.lines.length === 0 && !isFull())) return null;
  const text = words.value.watch;
  const hidden = waiting.terminals - waiting.lines.length;
  return (
    <section class="unstored" aria-label={text.list} role="alert">
      {isFull() && (
        <p class="bar bar-bad">
          <Icon name="alert" /> {fill(text.full, { used: waiting.used, window: waiting.window })}
        </p>
      )}
      {waiting.away_since === null && waiting.lines.length > 0 && <p class="unstored-why">{text.slow}</p>}
      <ul class="unstored-rows">
        {waiting.lines.map((line) => (
          <Line key={line.terminal_id} line={line} />
        ))}
      </ul>
      {hidden > 0 && <p class="quiet rest">{fill(text.more, { n: hidden })}</p>}
    </section>
  );
}

function isFull(): boolean {
  const waiting = unstored.value;
  return waiting !== null && waiting.window > 0 && waiting.used >= NEARLY_FULL * waiting.window;
}

function Line({ line }: { line: UnstoredCard }) {
  const text = words.value.watch;
  const names = line.people.map((each) => each.name);
  return (
    <li class="unstored-row" data-terminal={line.terminal_id}>
      <BandChip band={line.band} />
      <span class="tag tag-bad">{text.notStored}</span>
      <KindMark kind={line.kind} />
      <span class="unstored-who">
        <b>{names.length ? list(names) : line.home_id === null ? fill(text.unknown, { id: line.terminal_id }) : words.value.board.noPerson}</b>
        <span class="quiet">{line.address || words.value.board.noAddress}</span>
      </span>
      <time>{clockTime(line.since_at)}</time>
      {line.presses > 1 && <span class="tag tag-quiet">{fill(text.pressed, { n: line.presses })}</span>}
      <span class="unstored-phones">
        {line.phone && <CallLink name={line.terminal_id} phone={line.phone} />}
        {[...line.people, ...line.contacts].map((each) => (
          <Number key={`${each.name} ${each.phone}`} person={each} />
        ))}
      </span>
    </li>
  );
}

function Number({ person }: { person: PhoneCard }) {
  if (!person.phone) return null;
  return (
    <span class="unstored-phone">
      {person.relation && <span class="quiet">{`${sayAny(['relation'], person.relation)} ${person.name}`}</span>}
      <CallLink name={person.name} phone={person.phone} />
    </span>
  );
}
