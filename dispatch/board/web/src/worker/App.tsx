// One thing at a time: sign-in by link, waiting, an offer that fills the screen, or the call in hand.

import { useEffect } from 'preact/hooks';
import { Notices } from '../parts/notices.tsx';
import { LanguageSwitch } from '../parts/switches.tsx';
import { who } from '../session.ts';
import { words } from '../words/words.ts';
import { Active } from './Active.tsx';
import { stayAwake } from './awake.ts';
import { startFeed, stream } from './feed.ts';
import { Idle } from './Idle.tsx';
import { Offer } from './Offer.tsx';
import { startPosition } from './position.ts';
import { call, view } from './state.ts';
import { TopBar } from './TopBar.tsx';

export function App() {
  document.title = words.value.productPhone;
  const person = who.value;
  if (person === undefined) return <p class="wait">{words.value.loading}</p>;
  if (person === null || person.worker_id === null) return <NeedLink />;
  return <Phone />;
}

function Phone() {
  useEffect(() => {
    startFeed();
    startPosition();
    stayAwake();
    return () => stream.stop();
  }, []);
  return (
    <>
      <TopBar />
      <Screen />
      <Notices />
    </>
  );
}

function Screen() {
  const held = call.value;
  if (view.value === null) return <p class="wait">{words.value.loading}</p>;
  if (held === null) return <Idle />;
  return held.state === 'offered' ? <Offer key={held.offer_id} call={held} /> : <Active key={held.offer_id} call={held} />;
}

function NeedLink() {
  const text = words.value.signIn;
  return (
    <main class="need-link">
      <LanguageSwitch />
      <h1>{text.needLink}</h1>
      <p>{text.needLinkWhy}</p>
    </main>
  );
}
