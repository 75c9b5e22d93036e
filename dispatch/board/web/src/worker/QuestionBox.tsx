// What the centre asks or says: answered with one tap.

import type { WorkerCall } from '../api/types.ts';
import { Ring } from '../parts/Ring.tsx';
import { sayQuestion } from '../words/say.ts';
import { words } from '../words/words.ts';
import { tap } from './taps.ts';

export function QuestionBox({ call }: { call: WorkerCall }) {
  const { question } = call;
  const text = words.value.phone;
  const isCancelled = call.cancelled_at !== null;
  if (!question && !isCancelled) return null;
  const code = question?.code ?? 'cancelled';
  return (
    <section class={`question question-${code}`} role="alert">
      <p class="question-text">{sayQuestion(code, call.kind)}</p>
      {question?.answer_by && <Ring from={question.at} until={question.answer_by} label={text.left} />}
      {code === 'are_you_safe' && (
        <button type="button" class="big big-good" onClick={() => tap('ok', call.offer_id)}>
          {text.ok}
        </button>
      )}
      {isCancelled && (
        <button type="button" class="big" onClick={() => tap('confirm-cancel', call.offer_id)}>
          {text.confirmCancel}
        </button>
      )}
    </section>
  );
}
