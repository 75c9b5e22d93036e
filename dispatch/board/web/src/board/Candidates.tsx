// The nearest workers, best first, with the reasons for and against each.

import type { CandidateCard, IncidentCard } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { StateMark } from '../parts/StateMark.tsx';
import { isFindable, sayCounts, sayEta } from '../words/say.ts';
import { clockTime, distance, etaMinutes } from '../words/times.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { act, keyOf, sending } from './actions.ts';
import { detail, isRanking, rank, ranking } from './detail.ts';
import { mayAct } from './rights.ts';

export function Candidates({ card }: { card: IncidentCard }) {
  const text = words.value.detail;
  const shown = ranking.value ?? detail.value?.candidates ?? null;
  // Whoever is asked or sent already stands above with all that is known of them.
  const here = new Set(card.assignments.filter((each) => each.ended_at === null).map((each) => each.worker_id));
  const others = shown?.candidates.filter((each) => !here.has(each.worker_id)) ?? [];
  others.sort((a, b) => Number(b.is_eligible) - Number(a.is_eligible)); // stable: nearest first within each half
  const rest = shown ? sayCounts(shown.counts) : '';
  return (
    <section class="candidates" aria-label={text.candidates}>
      <div class="sub-head">
        <h3>{text.candidates}</h3>
        {shown && <span class="quiet">{fill(text.candidatesAt, { time: clockTime(shown.ranked_at) })}</span>}
        <button type="button" class="plain" disabled={isRanking.value} onClick={() => void rank()}>
          <Icon name="refresh" size={15} /> {text.refresh}
        </button>
      </div>
      {!isFindable(card) && <p class="warn-text rest">{sayEta(card, 0)}</p>}
      {shown && others.length === 0 && <p class="empty quiet">{text.candidatesNone}</p>}
      <ol class="candidate-list">
        {others.map((each, index) => (
          <Candidate key={each.worker_id} card={card} candidate={each} isBest={index === 0 && each.is_eligible} />
        ))}
      </ol>
      {rest && <p class="quiet rest">{fill(text.candidatesRest, { counts: rest })}</p>}
    </section>
  );
}

function Candidate({ card, candidate, isBest }: { card: IncidentCard; candidate: CandidateCard; isBest: boolean }) {
  const text = words.value.detail;
  // Who lacks a skill or said no before may still be asked by hand; who is busy or off duty may not.
  const isFree = candidate.state === 'free';
  return (
    <li class={candidate.is_eligible ? 'candidate' : 'candidate not-eligible'}>
      <span class="candidate-eta">{candidate.eta_s === null || !isFindable(card) ? '—' : etaMinutes(candidate.eta_s)}</span>
      <span class="candidate-who">
        <b>{candidate.name}</b>
        {isBest && <span class="tag tag-good">{text.best}</span>}
        <StateMark group="worker" code={candidate.state} />
      </span>
      <span class="candidate-why">{sayWhy(candidate)}</span>
      {mayAct.value && isFree && <OfferButton card={card} workerId={candidate.worker_id} name={candidate.name} isMain={isBest} />}
    </li>
  );
}

function sayWhy(candidate: CandidateCard): string {
  const parts = [sayCode('travel', candidate.travel)];
  if (candidate.distance_m !== null) parts.push(distance(candidate.distance_m));
  return [...parts, ...candidate.reasons.map((code) => sayCode('candidate', code))].join(' · ');
}

interface OfferProps {
  card: IncidentCard;
  workerId: string;
  name: string;
  isMain?: boolean;
}

export function OfferButton({ card, workerId, name, isMain = false }: OfferProps) {
  const text = words.value.detail;
  const isSending = sending.value.has(keyOf(card.incident_id, 'assign', workerId));
  const said = fill(text.offerTo, { name });
  const offer = (): void => void act(card.incident_id, 'assign', { worker_id: workerId }, name, workerId);
  return (
    <button type="button" class={isMain ? 'button button-main' : 'button'} aria-label={said} disabled={isSending} onClick={offer}>
      {isSending ? words.value.sending : text.offer}
    </button>
  );
}
