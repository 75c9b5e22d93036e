// Why not: one tap on a reason.

import { DECLINE_REASONS, type WorkerCall } from '../api/types.ts';
import { sayCode, words } from '../words/words.ts';
import { tap } from './taps.ts';

interface Props {
  call: WorkerCall;
  title: string;
  onBack: () => void;
}

export function Decline({ call, title, onBack }: Props) {
  const decline = (reason: string): void => {
    tap('decline', call.offer_id, { reason });
    onBack();
  };
  return (
    <main class="sheet">
      <h1>{title}</h1>
      <div class="reasons">
        {DECLINE_REASONS.map((reason) => (
          <button key={reason} type="button" class="big" onClick={() => decline(reason)}>
            {sayCode('decline', reason)}
          </button>
        ))}
      </div>
      <button type="button" class="big big-back" onClick={onBack}>
        {words.value.back}
      </button>
    </main>
  );
}
