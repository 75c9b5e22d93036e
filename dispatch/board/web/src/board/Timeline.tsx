// What happened, newest first, in the reader's language; notes stand where they were written.

import type { IncidentCard, LogLine, NoteCard } from '../api/types.ts';
import { sayLog } from '../words/say.ts';
import { clockTime } from '../words/times.ts';
import { words } from '../words/words.ts';

const LOUD = new Set(['opened', 'graver', 'climbed', 'nobody_free', 'worker_lost', 'check_unanswered', 'arrive_overdue', 'given_back']);
const QUIET = new Set(['ignored', 'step_empty', 'operators_told', 'told', 'alarm_repeated']);
const GOOD = new Set(['operator_answered', 'offer_accepted', 'departed', 'arrived', 'finished', 'checked_in', 'closed']);

export function Timeline({ card, lines, notes }: { card: IncidentCard; lines: LogLine[]; notes: NoteCard[] }) {
  const noteOf = new Map(notes.map((each) => [each.note_id, each]));
  const newestFirst = [...lines].sort((a, b) => b.seq - a.seq);
  return (
    <section class="block" aria-label={words.value.detail.timeline}>
      <h3>{words.value.detail.timeline}</h3>
      <ol class="timeline">
        {newestFirst.map((line, index) => (
          // One entry of the log may bring several lines.
          <li key={`${line.seq}/${newestFirst.length - index}`} class={toneOf(line.code)}>
            <time>{clockTime(line.at)}</time>
            <span>
              {sayLog(line, card)}
              <NoteText note={noteOf.get(String(line.facts.note_id))} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function toneOf(code: string): string {
  if (LOUD.has(code)) return 'line-loud';
  if (GOOD.has(code)) return 'line-good';
  return QUIET.has(code) ? 'line-quiet' : '';
}

function NoteText({ note }: { note: NoteCard | undefined }) {
  return note ? <q class="note-text">{note.content}</q> : null;
}
