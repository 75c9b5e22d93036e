// Done: how it ended, then a second tap that names it.

import { useSignal } from '@preact/signals';
import type { WorkerCall } from '../api/types.ts';
import { fill, sayCode, words } from '../words/words.ts';
import { tap } from './taps.ts';

const OUTCOMES = ['assisted', 'hospital', 'handed_over', 'false_alarm', 'no_answer', 'nobody_home', 'test'] as const;

export function Finish({ call, onBack }: { call: WorkerCall; onBack: () => void }) {
  const outcome = useSignal('');
  const note = useSignal('');
  const text = words.value.phone;
  const send = (): void => tap('finish', call.offer_id, { outcome: outcome.value, note: note.value.trim() });
  return (
    <main class="sheet">
      <h1>{text.finishWhy}</h1>
      <div class="reasons" role="radiogroup" aria-label={text.finishWhy}>
        {OUTCOMES.map((each) => (
          <button key={each} type="button" role="radio" aria-checked={outcome.value === each} class={outcome.value === each ? 'big picked' : 'big'} onClick={() => (outcome.value = each)}>
            {sayCode('outcome', each)}
          </button>
        ))}
      </div>
      <textarea rows={3} maxLength={4000} aria-label={text.finishNote} placeholder={text.finishNote} value={note.value} onInput={(event) => (note.value = event.currentTarget.value)} />
      <div class="sheet-end">
        {outcome.value && (
          <button type="button" class="big big-good" onClick={send}>
            {fill(text.finishSend, { outcome: sayCode('outcome', outcome.value) })}
          </button>
        )}
        <button type="button" class="big big-back" onClick={onBack}>
          {words.value.back}
        </button>
      </div>
    </main>
  );
}
