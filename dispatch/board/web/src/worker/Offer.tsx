// An offer: who, where, how far, how long to answer; yes, or no with a reason.

import { useSignal } from '@preact/signals';
import type { WorkerCall } from '../api/types.ts';
import { BandChip } from '../parts/BandChip.tsx';
import { KindMark } from '../parts/StateMark.tsx';
import { Ring } from '../parts/Ring.tsx';
import { now } from '../ticker.ts';
import { isFindable, sayEta, sayPeople } from '../words/say.ts';
import { etaMinutes } from '../words/times.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { Decline } from './Decline.tsx';
import { view } from './state.ts';
import { tap } from './taps.ts';

export function Offer({ call }: { call: WorkerCall }) {
  const isDeclining = useSignal(false);
  const text = words.value.phone;
  if (isDeclining.value) return <Decline call={call} title={text.declineWhy} onBack={() => (isDeclining.value = false)} />;
  return (
    <main class={`offer offer-${call.band}`}>
      <div class="offer-top" role="alert">
        <BandChip band={call.band} big />
        <h1>
          <KindMark kind={call.kind} size={26} />
        </h1>
        <span class="quiet">#{call.number}</span>
      </div>
      {call.due_at && <Ring from={call.offered_at} until={call.due_at} label={text.left} />}
      <Where call={call} />
      <Late call={call} />
      <div class="offer-buttons">
        <button type="button" class="big big-good big-first" onClick={() => tap('accept', call.offer_id)}>
          {text.accept}
        </button>
        <button type="button" class="big" onClick={() => (isDeclining.value = true)}>
          {text.decline}
        </button>
      </div>
    </main>
  );
}

function Where({ call }: { call: WorkerCall }) {
  const { board, detail, phone } = words.value;
  const travel = sayCode('travel', view.value?.worker.travel ?? '');
  const isKnown = isFindable(call);
  const eta = isKnown ? fill(board.etaTo, { time: etaMinutes(call.eta_s) }) : sayEta(call, call.eta_s);
  const floor = call.access?.floor;
  const hasLift = call.access?.has_lift;
  const lift = hasLift === undefined || hasLift === null ? '' : hasLift ? detail.hasLift : detail.noLift;
  const door = [floor === undefined || floor === null ? '' : fill(detail.floor, { n: floor }), lift].filter(Boolean).join(' · ');
  return (
    <div class="offer-where">
      <p class="offer-people">{sayPeople(call.people)}</p>
      {(call.address || isKnown) && <p class="offer-address">{call.address || board.noAddress}</p>}
      <p class={isKnown ? 'offer-eta' : 'offer-eta warn-text'}>
        {travel} · {eta}
      </p>
      {door && <p class="quiet">{door}</p>}
      <p class="quiet small">{phone.hidden}</p>
    </div>
  );
}

function Late({ call }: { call: WorkerCall }) {
  if (!call.due_at || Date.parse(call.due_at) > now.value) return null;
  return (
    <p class="warn-text" role="alert">
      {words.value.phone.late}
    </p>
  );
}
