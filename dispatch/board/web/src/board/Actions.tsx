// What an operator can do with a call. What can be undone takes one click, what cannot takes two.

import { useSignal } from '@preact/signals';
import { type IncidentCard, RAISE_KINDS } from '../api/types.ts';
import { Icon, type IconName } from '../parts/Icon.tsx';
import { sayCode, words } from '../words/words.ts';
import { act, type ActionPath, keyOf, sending } from './actions.ts';
import { CloseForm } from './CloseForm.tsx';

export function Actions({ card }: { card: IncidentCard }) {
  const isClosing = useSignal(false);
  const text = words.value.action;
  return (
    <section class="actions">
      <div class="action-row">
        {card.answered_at === null && <ActionButton card={card} path="answer" icon="phone" said={text.take} isMain />}
        {card.cancelled_at !== null && <ActionButton card={card} path="confirm-cancel" icon="accepted" said={text.confirmCancel} />}
        <ActionButton card={card} path="escalate" icon="up" said={text.escalate} />
        <ActionButton card={card} path="hands" icon="person_plus" said={text.hands} />
        <RaiseMenu card={card} />
        <button type="button" class="button button-end" aria-expanded={isClosing.value} onClick={() => (isClosing.value = !isClosing.value)}>
          <Icon name="closed" size={16} /> {text.close}
        </button>
      </div>
      {isClosing.value && <CloseForm card={card} onDone={() => (isClosing.value = false)} />}
    </section>
  );
}

interface ActionProps {
  card: IncidentCard;
  path: ActionPath;
  icon: IconName;
  said: string;
  isMain?: boolean;
}

function ActionButton({ card, path, icon, said, isMain = false }: ActionProps) {
  const isSending = sending.value.has(keyOf(card.incident_id, path));
  const classes = ['button', isMain ? 'button-main' : '', isSending ? 'sending' : ''];
  return (
    <button type="button" class={classes.join(' ')} disabled={isSending} onClick={() => void act(card.incident_id, path, {})}>
      <Icon name={icon} size={16} /> {isSending ? words.value.sending : said}
    </button>
  );
}

/** Choosing a graver kind; the service refuses one that is not graver. */
function RaiseMenu({ card }: { card: IncidentCard }) {
  const text = words.value.action;
  const raise = (event: Event & { currentTarget: HTMLSelectElement }): void => {
    const kind = event.currentTarget.value;
    event.currentTarget.value = '';
    if (kind) void act(card.incident_id, 'raise', { kind }, sayCode('kind', kind));
  };
  if (card.band === 0) return null;
  return (
    <select class="button" aria-label={text.raise} value="" onChange={raise}>
      <option value="">{text.raise}…</option>
      {RAISE_KINDS.filter((kind) => kind !== card.kind).map((kind) => (
        <option key={kind} value={kind}>
          {sayCode('kind', kind)}
        </option>
      ))}
    </select>
  );
}
