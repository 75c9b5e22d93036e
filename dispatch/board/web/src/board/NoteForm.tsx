// Writing something down about the chosen call.

import { useSignal } from '@preact/signals';
import { words } from '../words/words.ts';
import { act, keyOf, sending } from './actions.ts';

export function NoteForm({ incidentId }: { incidentId: string }) {
  const content = useSignal('');
  const text = words.value.action;
  const isSending = sending.value.has(keyOf(incidentId, 'note'));
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const written = content.value.trim();
    if (written && (await act(incidentId, 'note', { content: written }))) content.value = '';
  };
  return (
    <form class="note-form" onSubmit={(event) => void save(event)}>
      <textarea rows={2} maxLength={4000} aria-label={text.note} placeholder={text.noteHint} value={content.value} onInput={(event) => (content.value = event.currentTarget.value)} />
      <button type="submit" class="button" disabled={isSending || !content.value.trim()}>
        {isSending ? words.value.sending : text.save}
      </button>
    </form>
  );
}
