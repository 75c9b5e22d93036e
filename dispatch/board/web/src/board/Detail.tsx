// One incident in full, beside the list and never over it.

import { useComputed } from '@preact/signals';
import type { IncidentCard, IncidentDetail } from '../api/types.ts';
import { BandChip } from '../parts/BandChip.tsx';
import { Countdown } from '../parts/Countdown.tsx';
import { Icon } from '../parts/Icon.tsx';
import { KindMark, StateMark } from '../parts/StateMark.tsx';
import { clockTime } from '../words/times.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { Actions } from './Actions.tsx';
import { Health } from './Health.tsx';
import { Access, Contacts, People } from './Home.tsx';
import { Readings } from './Readings.tsx';
import { NoteForm } from './NoteForm.tsx';
import { backToCalls } from './choose.ts';
import { detail } from './detail.ts';
import { isCentre, RowTags } from './QueueRow.tsx';
import { mayAct } from './rights.ts';
import { stageOf } from './stage.ts';
import { chosen, chosenId } from './state.ts';
import { Timeline } from './Timeline.tsx';

export function Detail() {
  const card = chosen.value;
  const full = useComputed(() => (detail.value?.card.incident_id === chosenId.value ? detail.value : null)).value;
  return (
    <section class="panel detail" tabIndex={-1} aria-label={words.value.detail.title}>
      {card ? <Chosen key={card.incident_id} card={card} full={full} /> : <Nothing />}
    </section>
  );
}

function Nothing() {
  return (
    <div class="empty">
      <Icon name="pin" size={28} />
      <p class="quiet">{words.value.detail.pick}</p>
    </div>
  );
}

function Chosen({ card, full }: { card: IncidentCard; full: IncidentDetail | null }) {
  return (
    <>
      <Head card={card} />
      <div class="scroll">
        {mayAct.value && card.closed_at === null && <Actions card={card} />}
        {isCentre(card) ? <Trouble kind={card.kind} /> : <People people={card.people} address={card.address} />}
        {full ? <Rest full={full} /> : <p class="quiet wait">{words.value.loading}</p>}
      </div>
    </>
  );
}

function Head({ card }: { card: IncidentCard }) {
  const text = words.value.detail;
  const answered = card.answered_by ? fill(text.answeredBy, { name: card.answered_by }) : text.notAnswered;
  return (
    <div class="detail-head">
      <button type="button" class="button back-to-calls" onClick={backToCalls}>
        <Icon name="up" size={16} /> {text.backToCalls}
      </button>
      <div class="detail-title">
        <BandChip band={card.band} big />
        <h2>
          <KindMark kind={card.kind} size={20} /> <span class="quiet">#{card.number}</span>
        </h2>
        <span class="spacer" />
        {card.next && <Countdown next={card.next} />}
      </div>
      <p class="detail-line">
        <StateMark group="state" code={stageOf(card)} />
        {card.outcome && <b>{sayCode('outcome', card.outcome)}</b>}
        <span class="quiet">{fill(text.openedAt, { time: clockTime(card.opened_at) })}</span>
        <span class={card.answered_by ? 'quiet' : 'warn-text'}>{answered}</span>
      </p>
      <RowTags card={card} />
    </div>
  );
}

function Trouble({ kind }: { kind: string }) {
  return (
    <section class="block" aria-label={words.value.watch.centre}>
      <p>
        <b>{sayCode('trouble', kind)}</b>
      </p>
    </section>
  );
}

/** Where readings are why somebody is to go, they come first. */
function Measured({ full }: { full: IncidentDetail }) {
  return (
    <>
      <Readings readings={full.readings} causes={full.causes} limits={full.health.length === 1 ? (full.health[0]?.limits ?? []) : []} />
      {full.health.filter((each) => each.terminal_ids.length > 0).map((each) => (
        <Health key={each.elder_id} health={each} name={full.card.people.find((person) => person.elder_id === each.elder_id)?.name ?? ''} />
      ))}
    </>
  );
}

function Rest({ full }: { full: IncidentDetail }) {
  return (
    <>
      {full.causes.length > 0 && <Measured full={full} />}
      {!isCentre(full.card) && <Contacts contacts={full.contacts} />}
      {!isCentre(full.card) && <Access access={full.access} />}
      {full.causes.length === 0 && <Measured full={full} />}
      {mayAct.value && <NoteForm incidentId={full.card.incident_id} />}
      <Timeline card={full.card} lines={full.timeline} notes={full.notes} />
    </>
  );
}
