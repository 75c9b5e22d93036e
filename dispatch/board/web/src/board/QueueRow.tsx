// One call in the list: how grave, who and where, how far, and what happens next unless somebody acts.

import type { IncidentCard } from '../api/types.ts';
import { BandChip, grade } from '../parts/BandChip.tsx';
import { Countdown } from '../parts/Countdown.tsx';
import { KindMark, StateMark } from '../parts/StateMark.tsx';
import { sayEta, sayPeople } from '../words/say.ts';
import { clockTime } from '../words/times.ts';
import { fill, list, sayCode, words } from '../words/words.ts';
import { act, keyOf, sending } from './actions.ts';
import { choose } from './choose.ts';
import { mayAct } from './rights.ts';
import { stageOf } from './stage.ts';
import { chosenId, incidents } from './state.ts';

/** Something is wrong with the centre itself, not with somebody at home. */
export function isCentre(card: IncidentCard): boolean {
  return card.subject_kind === 'centre';
}

const COMING = ['accepted', 'en_route', 'on_scene'];

export function QueueRow({ id }: { id: string }) {
  const card = incidents.value.get(id);
  if (!card) return null;
  const isChosen = chosenId.value === id;
  const classes = ['row', `row-${grade(card.band)}`, isChosen ? 'chosen' : '', card.closed_at ? 'row-closed' : ''];
  return (
    <li class={classes.join(' ')} data-incident={card.number}>
      <button type="button" class="row-main" aria-pressed={isChosen} onClick={() => choose(id)}>
        <BandChip band={card.band} />
        <span class="row-who">
          <span class="row-title">
            <KindMark kind={card.kind} /> <b class="row-people">{isCentre(card) ? words.value.watch.centre : sayPeople(card.people)}</b>
          </span>
          <span class="row-address">{isCentre(card) ? sayCode('trouble', card.kind) : card.address || words.value.board.noAddress}</span>
        </span>
        <span class="row-state">
          <StateMark group="state" code={stageOf(card)} />
          <span class="row-owner">{sayOwner(card)}</span>
        </span>
        <RowClock card={card} />
        <RowTags card={card} />
      </button>
      <span class="row-side">
        <TakeButton card={card} />
      </span>
    </li>
  );
}

/** Who has it: the workers who come, else who is asked, else who answered. */
function sayOwner(card: IncidentCard): string {
  const coming = card.assignments.filter((each) => COMING.includes(each.state));
  if (coming.length) return list(coming.map((each) => `${each.worker_name} ${each.state === 'on_scene' ? '' : sayEta(card, each.eta_s)}`.trim()));
  const asked = card.assignments.filter((each) => each.state === 'offered');
  if (asked.length) return list(asked.map((each) => each.worker_name));
  return '';
}

function RowClock({ card }: { card: IncidentCard }) {
  if (card.closed_at) {
    return (
      <span class="countdown countdown-calm">
        <span class="countdown-time">{clockTime(card.closed_at)}</span>
        <span class="countdown-then">{sayCode('outcome', card.outcome ?? '')}</span>
      </span>
    );
  }
  return card.next ? <Countdown next={card.next} /> : <span class="countdown" />;
}

export function RowTags({ card }: { card: IncidentCard }) {
  const text = words.value.board;
  const tags: [boolean, string, string][] = [
    [card.cancelled_at !== null && card.closed_at === null, 'warn', text.cancelled],
    [card.nobody, 'bad', text.nobody],
    [card.is_exercise, 'quiet', text.exercise],
    [!card.is_known_home && !isCentre(card), 'warn', text.unknownHome],
    [card.alarms > 1, 'quiet', fill(text.again, { n: card.alarms })],
  ];
  return (
    <span class="row-tags">
      {card.level > 0 && (
        <span class={`tag level level-${card.level}`} title={fill(text.levelTitle, { n: card.level })}>
          L{card.level}
        </span>
      )}
      {tags.map(([isOn, tone, said]) => isOn && <span key={said} class={`tag tag-${tone}`}>{said}</span>)}
    </span>
  );
}

/** Who has taken the call, or the button that takes it: the one action that must never need a second click. */
function TakeButton({ card }: { card: IncidentCard }) {
  if (card.answered_by !== null) return <>{fill(words.value.detail.answeredBy, { name: card.answered_by })}</>;
  if (card.closed_at !== null || !mayAct.value) return null;
  const id = card.incident_id;
  const isSending = sending.value.has(keyOf(id, 'answer'));
  const take = (): void => {
    choose(id);
    void act(id, 'answer', {});
  };
  return (
    <button type="button" class={`button row-take${isSending ? ' sending' : ''}`} disabled={isSending} onClick={take}>
      {isSending ? words.value.sending : words.value.action.take}
    </button>
  );
}
