// Short messages that go away by themselves: what was done, and why something was not.

import { signal } from '@preact/signals';
import { sayError } from '../words/say.ts';
import { words } from '../words/words.ts';
import { Icon } from './Icon.tsx';

const SHOWN_MS = 6_000;

interface Notice {
  id: number;
  text: string;
  isTrouble: boolean;
}

const notices = signal<readonly Notice[]>([]);
let lastId = 0;

export function notify(text: string, isTrouble = false): void {
  const id = ++lastId;
  notices.value = [...notices.value.slice(-3), { id, text, isTrouble }];
  setTimeout(() => dismiss(id), isTrouble ? SHOWN_MS * 2 : SHOWN_MS);
}

export function notifyError(error: unknown): void {
  notify(sayError(error), true);
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((each) => each.id !== id);
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((each) => (
        <div key={each.id} class={each.isTrouble ? 'notice notice-trouble' : 'notice'}>
          <Icon name={each.isTrouble ? 'alert' : 'accepted'} />
          <span>{each.text}</span>
          <button type="button" class="plain" aria-label={words.value.close} onClick={() => dismiss(each.id)}>
            <Icon name="close" size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}
