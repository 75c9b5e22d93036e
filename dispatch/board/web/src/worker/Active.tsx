// The call in hand: the next step as one big button, and everything needed to get in and to help.

import { useSignal } from '@preact/signals';
import type { WorkerCall } from '../api/types.ts';
import { Access, Contacts, Person } from '../board/Home.tsx';
import { BandChip } from '../parts/BandChip.tsx';
import { Icon } from '../parts/Icon.tsx';
import { KindMark } from '../parts/StateMark.tsx';
import { isFindable } from '../words/say.ts';
import { clockTime } from '../words/times.ts';
import { fill, words } from '../words/words.ts';
import { Decline } from './Decline.tsx';
import { Finish } from './Finish.tsx';
import { QuestionBox } from './QuestionBox.tsx';
import { Steps } from './Steps.tsx';
import { pending, tap } from './taps.ts';

type Sheet = 'none' | 'decline' | 'finish';

export function Active({ call }: { call: WorkerCall }) {
  const sheet = useSignal<Sheet>('none');
  const back = (): void => void (sheet.value = 'none');
  if (sheet.value === 'decline') return <Decline call={call} title={words.value.phone.giveBack} onBack={back} />;
  if (sheet.value === 'finish') return <Finish call={call} onBack={back} />;
  return (
    <main class="active">
      <Head call={call} />
      <QuestionBox call={call} />
      <Steps state={call.state} />
      <NextStep call={call} onFinish={() => (sheet.value = 'finish')} />
      <HomeFacts call={call} />
      <Trouble call={call} onGiveBack={() => (sheet.value = 'decline')} />
    </main>
  );
}

function Head({ call }: { call: WorkerCall }) {
  return (
    <section class="active-head">
      <div class="offer-top">
        <BandChip band={call.band} />
        <h1>
          <KindMark kind={call.kind} size={22} />
        </h1>
        <span class="quiet">#{call.number}</span>
      </div>
      <p class="offer-address">{call.address || (isFindable(call) ? words.value.board.noAddress : words.value.board.askAddress)}</p>
      {call.place && (
        <a class="big big-link" href={mapLink(call)} target="_blank" rel="noreferrer">
          <Icon name="pin" /> {words.value.phone.navigate}
        </a>
      )}
    </section>
  );
}

/** AMap's link takes WGS-84 when told so and opens its app where there is one. */
function mapLink(call: WorkerCall): string {
  const query = new URLSearchParams({
    position: `${call.place?.lon},${call.place?.lat}`,
    name: call.address,
    coordinate: 'wgs84',
    callnative: '1',
  });
  return `https://uri.amap.com/marker?${query.toString()}`;
}

function NextStep({ call, onFinish }: { call: WorkerCall; onFinish: () => void }) {
  const text = words.value.phone;
  const due = call.due_at ? clockTime(call.due_at) : null;
  if (call.state === 'accepted') {
    return (
      <div class="next-step">
        <button type="button" class="big big-main" onClick={() => tap('depart', call.offer_id)}>
          <Icon name="en_route" size={24} /> {text.depart}
        </button>
        {due && <p class="quiet">{fill(text.departBy, { time: due })}</p>}
      </div>
    );
  }
  if (call.state === 'en_route') {
    return (
      <div class="next-step">
        <button type="button" class="big big-main" onClick={() => tap('arrive', call.offer_id)}>
          <Icon name="on_scene" size={24} /> {text.arrive}
        </button>
        {due && <p class="quiet">{fill(text.arriveBy, { time: due })}</p>}
      </div>
    );
  }
  return (
    <div class="next-step">
      <button type="button" class="big big-main" onClick={onFinish}>
        <Icon name="accepted" size={24} /> {text.finish}
      </button>
    </div>
  );
}

function HomeFacts({ call }: { call: WorkerCall }) {
  return (
    <>
      <section class="block" aria-label={words.value.phone.people}>
        <h3>{words.value.phone.people}</h3>
        {call.people.map((each) => (
          <Person key={each.elder_id} person={each} />
        ))}
      </section>
      {call.access && <Access access={call.access} />}
      <Contacts contacts={call.contacts} />
    </>
  );
}

function Trouble({ call, onGiveBack }: { call: WorkerCall; onGiveBack: () => void }) {
  const text = words.value.phone;
  const isAsked = pending.value.some((each) => each.step === 'hands');
  return (
    <section class="trouble-box">
      <div class="pair">
        <button type="button" class="big" disabled={isAsked} onClick={() => tap('hands', call.offer_id)}>
          {isAsked ? text.helpSent : text.help}
        </button>
        <a class="big big-bad" href="tel:120">
          {text.ambulance}
        </a>
      </div>
      {call.state !== 'on_scene' && (
        <button type="button" class="big big-back" onClick={onGiveBack}>
          {text.giveBack}
        </button>
      )}
    </section>
  );
}
