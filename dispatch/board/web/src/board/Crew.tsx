// Who goes to the chosen call: those asked and sent so far, each on their way through the stages, and who is nearest.

import type { AssignmentCard, IncidentCard } from '../api/types.ts';
import { Countdown } from '../parts/Countdown.tsx';
import { Icon } from '../parts/Icon.tsx';
import { StateMark } from '../parts/StateMark.tsx';
import { isFindable, sayNear } from '../words/say.ts';
import { clockTime } from '../words/times.ts';
import { fill, sayAny, words } from '../words/words.ts';
import { act } from './actions.ts';
import { Candidates } from './Candidates.tsx';
import { mayAct } from './rights.ts';
import { chosen } from './state.ts';

const LIVE = ['offered', 'accepted', 'en_route', 'on_scene'];
const NEXT_OF: Record<string, string> = {
  offered: 'lapse',
  accepted: 'depart_overdue',
  en_route: 'arrive_overdue',
  on_scene: 'check_overdue',
};

export function Crew() {
  const card = chosen.value;
  const text = words.value.detail;
  return (
    <section class="panel crew" aria-label={text.crew}>
      <div class="panel-head">
        <h2>{text.crew}</h2>
        {card && <span class="quiet">#{card.number}</span>}
        {card && card.hands > 1 && <span class="tag tag-quiet">{fill(text.handsWanted, { n: card.hands })}</span>}
      </div>
      <div class="scroll">{card ? <CrewOf card={card} /> : <p class="empty quiet">{text.pick}</p>}</div>
    </section>
  );
}

function CrewOf({ card }: { card: IncidentCard }) {
  const isLive = (each: AssignmentCard): boolean => LIVE.includes(each.state);
  const live = card.assignments.filter(isLive);
  const ended = card.assignments.filter((each) => !isLive(each)).reverse();
  return (
    <>
      {card.assignments.length === 0 && <p class="empty quiet">{words.value.detail.crewNone}</p>}
      <ul class="assignments">
        {[...live, ...ended].map((each) => (
          <Assignment key={each.offer_id} card={card} assignment={each} />
        ))}
      </ul>
      {card.closed_at === null && <Candidates card={card} />}
    </>
  );
}

interface Props {
  card: IncidentCard;
  assignment: AssignmentCard;
}

function Assignment({ card, assignment }: Props) {
  const isLive = LIVE.includes(assignment.state);
  return (
    <li class={isLive ? 'assignment' : 'assignment assignment-ended'}>
      <div class="assignment-head">
        <b>{assignment.worker_name}</b>
        <StateMark group="assignment" code={assignment.state} />
        <Remark card={card} assignment={assignment} />
        <span class="spacer" />
        {isLive && assignment.due_at && (
          <Countdown next={{ at: assignment.due_at, code: NEXT_OF[assignment.state] ?? '', facts: { worker_name: assignment.worker_name } }} />
        )}
        {isLive && <Reach card={card} assignment={assignment} />}
      </div>
      {isLive && assignment.state !== 'offered' && <Track card={card} assignment={assignment} />}
    </li>
  );
}

function Remark({ card, assignment }: Props) {
  const text = words.value.detail;
  const { state, end_reason: reason } = assignment;
  if (state === 'offered') {
    const seen = assignment.seen_at ? text.seen : text.unseen;
    return <span class="quiet">{`${sayNear(card, assignment.eta_s)} · ${seen}`}</span>;
  }
  if (reason && reason !== state) return <span class="quiet">{sayAny(['ended', 'decline', 'outcome', 'refusal'], reason)}</span>;
  if (assignment.offered_by !== 'router' && assignment.offered_by !== 'rules') {
    return <span class="quiet">{fill(text.byHand, { name: assignment.offered_by })}</span>;
  }
  return null;
}

function Reach({ card, assignment }: Props) {
  const text = words.value.detail;
  const { worker_name: name, worker_phone: phone, offer_id: offerId } = assignment;
  const release = (): void => void act(card.incident_id, 'release', { offer_id: offerId }, name, offerId);
  return (
    <>
      {phone && (
        <a class="button button-icon" href={`tel:${phone}`} aria-label={fill(text.call, { name })} title={phone}>
          <Icon name="phone" size={16} />
        </a>
      )}
      {mayAct.value && (
        <button type="button" class="button" aria-label={fill(text.releaseFrom, { name })} onClick={release}>
          {text.release}
        </button>
      )}
    </>
  );
}

/** The five stages with their times; the one that comes next shows what is expected. */
function Track({ card, assignment }: Props) {
  const steps = words.value.detail.steps;
  const reached: [keyof typeof steps, string | null][] = [
    ['offered', assignment.offered_at],
    ['accepted', assignment.accepted_at],
    ['en_route', assignment.departed_at],
    ['on_scene', assignment.arrived_at],
    ['finished', assignment.state === 'finished' ? assignment.ended_at : null],
  ];
  return (
    <ol class="track">
      {reached.map(([step, at]) => (
        <li key={step} class={at ? 'reached' : ''}>
          <span class="track-name">{steps[step]}</span>
          <span class="track-time">{at ? clockTime(at) : step === 'on_scene' && isFindable(card) ? sayNear(card, assignment.eta_s) : '—'}</span>
        </li>
      ))}
    </ol>
  );
}
