// On or off duty, the link, the position; and what is saved but not sent.

import { Icon } from '../parts/Icon.tsx';
import { LanguageSwitch, ThemeSwitch } from '../parts/switches.tsx';
import { now } from '../ticker.ts';
import { roughly } from '../words/times.ts';
import { fill, words } from '../words/words.ts';
import { ageS, STALE_AFTER_MS, stream } from './feed.ts';
import { accuracyM, positioning, sentAt } from './position.ts';
import { isOnDuty, view } from './state.ts';
import { isHeldBack, pending } from './taps.ts';

export function TopBar() {
  const text = words.value.phone;
  return (
    <header class="top">
      <div class="top-row">
        <span class={isOnDuty.value ? 'duty duty-on' : 'duty'}>{isOnDuty.value ? text.onDuty : text.offDuty}</span>
        <b class="top-name">{view.value?.worker.name}</b>
        <span class="spacer" />
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
      <div class="top-row small">
        <LinkState />
        <PositionState />
      </div>
      <Unsent />
    </header>
  );
}

function LinkState() {
  const text = words.value.link;
  if (ageS.value * 1000 > STALE_AFTER_MS) {
    return (
      <span class="link-bad" role="alert">
        <Icon name="link_lost" size={15} /> {text.stale} · {roughly(ageS.value)}
      </span>
    );
  }
  if (stream.link.value === 'down') {
    return (
      <span class="link-warn" role="status">
        <Icon name="link_lost" size={15} /> {text.reconnecting}
      </span>
    );
  }
  return (
    <span class="link-good" role="status">
      <Icon name="link" size={15} /> {stream.link.value === 'open' ? text.live : text.connecting}
    </span>
  );
}

function PositionState() {
  const text = words.value.phone.place;
  const state = positioning.value;
  const said = state === 'good' ? fill(text.good, { n: Math.round(accuracyM.value) }) : text[state];
  const sent = sentAt.value === null ? '' : fill(text.sent, { time: roughly((now.value - sentAt.value) / 1000) });
  return (
    <span class={state === 'good' || state === 'off' ? 'place' : 'place link-warn'}>
      <Icon name="pin" size={15} /> {[said, state === 'good' ? sent : ''].filter(Boolean).join(' · ')}
    </span>
  );
}

function Unsent() {
  const n = pending.value.length;
  if (n === 0) return null;
  const text = words.value.phone;
  const said = !isHeldBack.value ? text.sendingNow : n === 1 ? text.saved : fill(text.savedMany, { n });
  return (
    <p class={isHeldBack.value ? 'unsent unsent-held' : 'unsent'} role="status">
      {said}
    </p>
  );
}
