// The list of calls. Its rows never move under the pointer or the focus.

import { signal } from '@preact/signals';
import { Icon } from '../parts/Icon.tsx';
import { fill, words } from '../words/words.ts';
import { choose } from './choose.ts';
import { hold, isBehind, letGo, shown, waiting } from './order.ts';
import { QueueRow } from './QueueRow.tsx';
import { mayAct } from './rights.ts';

/** In a flood of thousands nobody reads on from here; the page must stay quick. */
const ROWS_MOST = 100;

const isClosedOpen = signal(false);

export function Queue({ onNewCall }: { onNewCall: () => void }) {
  const text = words.value.board;
  const { needsAction, inProgress, closed } = shown.value;
  return (
    <section class="panel queue" aria-label={text.queue} onPointerMove={hold} onWheel={hold} onKeyDown={hold}>
      <div class="panel-head">
        <h2>{text.queue}</h2>
        <NewWaiting />
        {isBehind.value && <span class="quiet held">{text.held}</span>}
        {mayAct.value && (
          <button type="button" class="button" onClick={onNewCall}>
            <Icon name="plus" size={16} /> {text.newCall}
          </button>
        )}
      </div>
      <div class="scroll">
        <Group name="needs-action" title={text.needsAction} ids={needsAction} />
        {needsAction.length === 0 && <Empty />}
        <Group name="in-progress" title={text.inProgress} ids={inProgress} />
        <ClosedGroup ids={closed} />
      </div>
    </section>
  );
}

function Group({ name, title, ids }: { name: string; title: string; ids: readonly string[] }) {
  return (
    <section class={`group group-${name}`} aria-label={title}>
      <h3>
        {title} <span class="count">{ids.length}</span>
      </h3>
      <Rows ids={ids} />
    </section>
  );
}

function Rows({ ids }: { ids: readonly string[] }) {
  return (
    <>
      <ul class="rows">
        {ids.slice(0, ROWS_MOST).map((id) => (
          <QueueRow key={id} id={id} />
        ))}
      </ul>
      {ids.length > ROWS_MOST && <p class="quiet rest">{fill(words.value.board.more, { n: ids.length - ROWS_MOST })}</p>}
    </>
  );
}

function ClosedGroup({ ids }: { ids: readonly string[] }) {
  const toggle = (): void => void (isClosedOpen.value = !isClosedOpen.value);
  return (
    <section class="group group-closed" aria-label={words.value.board.closed}>
      <h3>
        <button type="button" class="plain fold" aria-expanded={isClosedOpen.value} onClick={toggle}>
          <Icon name="down" size={16} /> {words.value.board.closed} <span class="count">{ids.length}</span>
        </button>
      </h3>
      {isClosedOpen.value && <Rows ids={ids} />}
    </section>
  );
}

/** Calls that came while the order was held; it lies over the head, so that nothing moves. */
function NewWaiting() {
  const [first] = waiting.value;
  if (first === undefined) return null;
  const show = (): void => {
    letGo();
    choose(first);
  };
  return (
    <div class="new-waiting" role="alert">
      <button type="button" class="button button-main" onClick={show}>
        <Icon name="alert" size={16} /> {fill(words.value.board.newWaiting, { n: waiting.value.length })}
      </button>
    </div>
  );
}

function Empty() {
  return (
    <div class="empty">
      <Icon name="closed" size={28} />
      <p>
        <b>{words.value.board.emptyTitle}</b>
      </p>
      <p class="quiet">{words.value.board.emptyText}</p>
    </div>
  );
}
