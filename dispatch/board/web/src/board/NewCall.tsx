// A call that came by telephone: find the home, or type the address; then it runs like a pressed key.

import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Found, OPEN_KINDS } from '../api/types.ts';
import { Icon } from '../parts/Icon.tsx';
import { KindMark } from '../parts/StateMark.tsx';
import { words } from '../words/words.ts';
import { openByHand, sending } from './actions.ts';
import { FindHome, type Where } from './FindHome.tsx';

export function NewCall({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const where = useSignal<Where | null>(null);
  const kind = useSignal<string>('sos');
  const note = useSignal('');
  const isSending = useComputed(() => sending.value.has('open'));
  const text = words.value.newCall;
  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (where.value && (await openByHand({ kind: kind.value, ...placed(where.value), note: note.value.trim() }))) onClose();
  };
  return (
    <dialog ref={dialog} class="dialog" aria-label={text.title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="panel-head">
          <h2>{text.title}</h2>
          <span class="spacer" />
          <button type="button" class="plain" aria-label={words.value.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        <FindHome where={where} />
        <Kinds kind={kind.value} onPick={(picked) => (kind.value = picked)} />
        <textarea rows={2} maxLength={4000} aria-label={text.note} placeholder={text.note} value={note.value} onInput={(event) => (note.value = event.currentTarget.value)} />
        <div class="form-buttons">
          <button type="button" class="button" onClick={onClose}>
            {words.value.cancel}
          </button>
          <button type="submit" class="button button-main" disabled={!where.value || isSending.value}>
            {isSending.value ? words.value.sending : text.submit}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function placed(where: Where): { home_id: string | null; address: string | null; place: Found['place'] } {
  return where.home
    ? { home_id: where.home.home_id, address: null, place: null }
    : { home_id: null, address: where.address, place: null };
}

function Kinds({ kind, onPick }: { kind: string; onPick: (kind: string) => void }) {
  return (
    <fieldset>
      <legend>{words.value.newCall.kind}</legend>
      <div class="choices">
        {OPEN_KINDS.map((each) => (
          <label key={each} class={kind === each ? 'choice picked' : 'choice'}>
            <input type="radio" name="kind" value={each} checked={kind === each} onChange={() => onPick(each)} />
            <KindMark kind={each} />
          </label>
        ))}
      </div>
    </fieldset>
  );
}
