// Nothing to do at the moment: duty, and why the last call went away.

import { signal } from '@preact/signals';
import { Icon } from '../parts/Icon.tsx';
import { sayAny, words } from '../words/words.ts';
import { isOnDuty, view } from './state.ts';
import { tap } from './taps.ts';

const dismissed = signal<string | null>(null);

export function Idle() {
  const text = words.value.phone;
  const isOn = isOnDuty.value;
  const change = (): void => tap('duty', null, { is_on_duty: !isOn });
  return (
    <main class="idle">
      <Ended />
      <div class="idle-middle">
        <span class={isOn ? 'pulse' : 'pulse pulse-off'}>
          <Icon name={isOn ? 'offered' : 'off'} size={44} />
        </span>
        <h1>{isOn ? text.idleTitle : text.offTitle}</h1>
        <p class="quiet">{isOn ? text.idleText : text.offText}</p>
      </div>
      <button type="button" class={isOn ? 'big' : 'big big-good'} onClick={change}>
        {isOn ? text.goOff : text.goOn}
      </button>
    </main>
  );
}

/** A call that was taken away says why; a late yes, or an arrival after all, still counts. */
function Ended() {
  const reason = view.value?.ended;
  const offerId = view.value?.ended_offer_id ?? null;
  if (!reason || !offerId || dismissed.value === offerId) return null;
  const text = words.value.phone;
  const late = reason === 'lapsed' ? 'accept' : reason === 'not_departed' ? 'arrive' : null;
  return (
    <div class="ended" role="alert">
      <p>{sayAny(['ended', 'decline', 'outcome', 'refusal'], reason)}</p>
      <div class="pair">
        {late && (
          <button type="button" class="button" onClick={() => tap(late, offerId)}>
            {late === 'accept' ? text.acceptLate : text.arrive}
          </button>
        )}
        <button type="button" class="button" onClick={() => (dismissed.value = offerId)}>
          {text.dismiss}
        </button>
      </div>
    </div>
  );
}
