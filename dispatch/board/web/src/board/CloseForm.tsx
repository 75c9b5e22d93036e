// Closing a call cannot be undone: first the outcome, then a second click that names it.

import { useSignal } from '@preact/signals';
import { type IncidentCard, OUTCOMES } from '../api/types.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { act, keyOf, sending } from './actions.ts';

export function CloseForm({ card, onDone }: { card: IncidentCard; onDone: () => void }) {
  const outcome = useSignal('');
  const note = useSignal('');
  const text = words.value.action;
  const isSending = sending.value.has(keyOf(card.incident_id, 'close'));
  const close = async (event: Event): Promise<void> => {
    event.preventDefault();
    const body = { outcome: outcome.value, note: note.value.trim() };
    if (outcome.value && (await act(card.incident_id, 'close', body, sayCode('outcome', outcome.value)))) onDone();
  };
  return (
    <form class="close-form" aria-label={text.closeTitle} onSubmit={(event) => void close(event)}>
      <fieldset>
        <legend>{text.closeTitle}</legend>
        <div class="choices">
          {OUTCOMES.map((each) => (
            <label key={each} class={outcome.value === each ? 'choice picked' : 'choice'}>
              <input type="radio" name="outcome" value={each} checked={outcome.value === each} onChange={() => (outcome.value = each)} />
              {sayCode('outcome', each)}
            </label>
          ))}
        </div>
      </fieldset>
      <textarea rows={2} maxLength={4000} aria-label={text.closeNote} placeholder={text.closeNote} value={note.value} onInput={(event) => (note.value = event.currentTarget.value)} />
      <div class="form-buttons">
        <button type="button" class="button" onClick={onDone}>
          {text.abandon}
        </button>
        <button type="submit" class="button button-end" disabled={!outcome.value || isSending}>
          {outcome.value ? fill(text.closeConfirm, { outcome: sayCode('outcome', outcome.value) }) : text.closePick}
        </button>
      </div>
    </form>
  );
}
