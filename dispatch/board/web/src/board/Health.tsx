// One elder's NEWS2 with what it lacks, what drifts, and the limits in force with who set them and why.

import { useSignal } from '@preact/signals';
import type { HealthCard, LimitCard, ScoreCard } from '../api/types.ts';
import { clockTime } from '../words/times.ts';
import { fill, list, sayCode, words } from '../words/words.ts';
import { LimitsForm } from './LimitsForm.tsx';
import { round } from './Readings.tsx';
import { mayAct } from './rights.ts';

export function Health({ health, name }: { health: HealthCard; name: string }) {
  const isEditing = useSignal(false);
  const text = words.value.health;
  const title = fill(text.title, { name });
  return (
    <section class="block" aria-label={title}>
      <h3>{title}</h3>
      <Score score={health.score} />
      {health.trends
        .filter((each) => each.code !== null)
        .map((each) => (
          <p key={each.name} class="warn-text">
            {sayCode('flaw', each.code ?? '')}: {fill(text.drift, { usual: round(each.usual), value: round(each.value), n: each.usual_days })}
          </p>
        ))}
      <Limits health={health} />
      {mayAct.value && !isEditing.value && (
        <button type="button" class="button" onClick={() => (isEditing.value = true)}>
          {text.change}
        </button>
      )}
      {isEditing.value && <LimitsForm health={health} onDone={() => (isEditing.value = false)} />}
    </section>
  );
}

/** Never a bare number: how many of the seven were measured, and how high it could be. */
function Score({ score }: { score: ScoreCard | null }) {
  const text = words.value.health;
  if (score === null) return <p class="quiet">{text.noScore}</p>;
  const points = Object.entries(score.points).filter(([, n]) => n > 0);
  return (
    <p class="score">
      <b class={score.band === null ? '' : 'warn-text'}>{fill(text.score, { total: score.total })}</b> <span>({fill(text.known, { known: score.known, asked: score.asked, most: score.most })})</span>
      {points.length > 0 && <span> · {list(points.map(([name, n]) => `${sayCode('parameter', name)} +${n}`))}</span>}
      <br />
      <span class="quiet">{fill(text.missing, { names: list(score.missing.map((name) => sayCode('parameter', name))) })}</span>
    </p>
  );
}

function Limits({ health }: { health: HealthCard }) {
  const text = words.value.health;
  const isOwn = health.limits.some((each) => each.is_own);
  return (
    <>
      <p class="quiet">
        {text.limits}: {health.set_by ? fill(text.setBy, { name: health.set_by, time: clockTime(health.set_at ?? ''), why: health.why ?? '' }) : isOwn ? text.fromRegister : text.everybodys}
        {health.spo2_scale === 'two' && ` · ${text.scaleTwo}`}
        {health.on_oxygen && ` · ${text.onOxygen}`}
      </p>
      <ul class="limits">
        {health.limits.map((each) => (
          <li key={each.name}>
            {sayCode('parameter', each.name)} <b>{sayLimit(each)}</b>
            {each.is_own && <span class="tag tag-warn">{text.own}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

function sayLimit(limit: LimitCard): string {
  const sides = [limit.low === null ? '' : `≤ ${limit.low}`, limit.high === null ? '' : `≥ ${limit.high}`].filter(Boolean);
  return sides.join(' · ') || words.value.health.none;
}
