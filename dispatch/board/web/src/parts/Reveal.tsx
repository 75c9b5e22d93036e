// Something that is not for every pair of eyes in the room: shown on request, hidden again after a minute.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { words } from '../words/words.ts';
import { Icon } from './Icon.tsx';

const SHOWN_MS = 60_000;

export function Reveal({ label, secret }: { label: string; secret: string }) {
  const isShown = useSignal(false);
  const text = words.value.detail;
  useEffect(() => {
    if (!isShown.value) return undefined;
    const timer = setTimeout(() => (isShown.value = false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isShown.value]);
  return (
    <p class="reveal">
      <Icon name="key" size={16} /> <span class="quiet">{label}</span>
      <b class="secret">{isShown.value ? secret : '••••'}</b>
      <button type="button" class="button" aria-label={`${label}: ${isShown.value ? text.hide : text.reveal}`} onClick={() => (isShown.value = !isShown.value)}>
        {isShown.value ? text.hide : text.reveal}
      </button>
    </p>
  );
}
