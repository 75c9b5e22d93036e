// How fresh the picture is: the first thing on the page. Stale data is louder than bad news.

import { computed } from '@preact/signals';
import { Icon } from '../parts/Icon.tsx';
import { now } from '../ticker.ts';
import { clockTime, roughly } from '../words/times.ts';
import { fill, words } from '../words/words.ts';
import { ageS, STALE_AFTER_MS, stream } from './feed.ts';
import { centre, seq, unstored } from './state.ts';

const isSilent = computed(() => ageS.value * 1000 > STALE_AFTER_MS);
/** Since when the service cannot ask its database: it still speaks, but the picture stands still. */
const awaySince = computed(() => unstored.value?.away_since ?? null);
export const isStale = computed(() => isSilent.value || awaySince.value !== null);

type Freshness = 'connecting' | 'live' | 'polling' | 'reconnecting' | 'stale';

const freshness = computed<Freshness>(() => {
  if (isStale.value) return 'stale';
  const link = stream.link.value;
  if (link === 'open') return 'live';
  if (seq.value === null || link === 'connecting') return 'connecting';
  return ageS.value < 6 ? 'polling' : 'reconnecting';
});

const pictureAgeS = computed(() => {
  const age = awaySince.value === null ? ageS.value : (now.value - Date.parse(awaySince.value)) / 1000;
  return Math.max(0, Math.floor(age));
});

export function Connection() {
  const state = freshness.value;
  const isGood = state === 'live';
  return (
    <div class={`connection connection-${state}`} role="status">
      <Icon name={isGood || state === 'connecting' ? 'link' : 'link_lost'} />
      <strong>{words.value.link[state]}</strong>
      <span class="connection-age">{fill(words.value.link.age, { n: pictureAgeS.value })}</span>
    </div>
  );
}

/** The amber bar under the header while the picture is stale, or this server does not dispatch. */
export function StaleBar() {
  const text = words.value.link;
  if (isSilent.value) {
    return (
      <div class="bar bar-stale" role="alert">
        <Icon name="alert" /> {fill(text.staleLong, { time: roughly(ageS.value) })}
      </div>
    );
  }
  if (awaySince.value !== null) {
    return (
      <div class="bar bar-stale" role="alert">
        <Icon name="alert" /> {fill(words.value.watch.outage, { time: clockTime(awaySince.value) })}
      </div>
    );
  }
  if (centre.value && !centre.value.leads) return <div class="bar bar-stale">{text.standby}</div>;
  return null;
}
