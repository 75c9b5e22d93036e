// Sign-in first, then the board: header, list, middle (later with the map), detail.

import { useEffect } from 'preact/hooks';
import { signal } from '@preact/signals';
import { Notices } from '../parts/notices.tsx';
import { SignIn } from '../parts/SignIn.tsx';
import { who } from '../session.ts';
import { words } from '../words/words.ts';
import { Crew } from './Crew.tsx';
import { Detail } from './Detail.tsx';
import { startFeed, stream } from './feed.ts';
import { Header } from './Header.tsx';
import { NewCall } from './NewCall.tsx';
import { Queue } from './Queue.tsx';
import { isStale, StaleBar } from './Connection.tsx';
import { Unstored } from './Unstored.tsx';
import { Workers } from './Workers.tsx';

const isNewCallOpen = signal(false);

export function App() {
  const person = who.value;
  document.title = words.value.product;
  if (person === undefined) return <p class="wait">{words.value.loading}</p>;
  if (person === null) return <SignIn />;
  if (person.role === 'worker') return <WorkerHere />;
  return <Board />;
}

function Board() {
  useEffect(() => {
    void startFeed();
    return () => stream.stop();
  }, []);
  return (
    <div class={isStale.value ? 'board board-stale' : 'board'}>
      <Header />
      <StaleBar />
      <Unstored />
      <main class="board-areas">
        <Queue onNewCall={() => (isNewCallOpen.value = true)} />
        <div class="middle">
          <Crew />
          <Workers />
        </div>
        <Detail />
      </main>
      {isNewCallOpen.value && <NewCall onClose={() => (isNewCallOpen.value = false)} />}
      <Notices />
    </div>
  );
}

function WorkerHere() {
  return (
    <main class="sign-in">
      <p>{words.value.signIn.workerHere}</p>
      <a class="button button-main" href="/w">
        {words.value.signIn.toPhone}
      </a>
    </main>
  );
}
