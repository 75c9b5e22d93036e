// Setting an elder's own limits. Without a reason nothing is set; an empty field is no limit on that side.

import { useSignal } from '@preact/signals';
import type { HealthCard, LimitCard, OwnLimit, SetHealth } from '../api/types.ts';
import { sayCode, words } from '../words/words.ts';
import { keyOf, sending, setHealth } from './actions.ts';

type Side = 'low' | 'high';
const SIDES: readonly Side[] = ['low', 'high'];

export function LimitsForm({ health, onDone }: { health: HealthCard; onDone: () => void }) {
  const text = words.value.health;
  const typed = useSignal<Record<string, string>>({});
  const scale = useSignal(health.spo2_scale);
  const oxygen = useSignal(health.on_oxygen === null ? '' : String(health.on_oxygen));
  const why = useSignal('');
  const isSending = sending.value.has(keyOf(health.elder_id, 'health'));
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const limits = Object.fromEntries(health.limits.flatMap((each) => ownOf(each, typed.value)));
    const on = oxygen.value === '' ? null : oxygen.value === 'true';
    const body: SetHealth = { limits, spo2_scale: scale.value, on_oxygen: on, why: why.value.trim() };
    if (body.why && (await setHealth(health.elder_id, body))) onDone();
  };
  return (
    <form class="limits-form" aria-label={text.change} onSubmit={(event) => void save(event)}>
      {health.limits.map((each) => (
        <div key={each.name} class="limits-row">
          <span>
            {sayCode('parameter', each.name)} <small class="quiet">{sayCode('unit', each.name)}</small>
          </span>
          {SIDES.map((side) => (
            <input
              key={side}
              type="number"
              step="any"
              min={0}
              max={1000}
              aria-label={`${sayCode('parameter', each.name)} ${text[side]}`}
              placeholder={text[side]}
              value={typed.value[`${each.name}/${side}`] ?? shown(each[side])}
              onInput={(event) => (typed.value = { ...typed.value, [`${each.name}/${side}`]: event.currentTarget.value })}
            />
          ))}
        </div>
      ))}
      <label>
        <input type="checkbox" checked={scale.value === 'two'} onChange={(event) => (scale.value = event.currentTarget.checked ? 'two' : 'one')} /> {text.scaleTwo}
      </label>
      <label>
        {text.oxygen}{' '}
        <select value={oxygen.value} onChange={(event) => (oxygen.value = event.currentTarget.value)}>
          <option value="">{text.oxygenUnknown}</option>
          <option value="true">{text.oxygenYes}</option>
          <option value="false">{text.oxygenNo}</option>
        </select>
      </label>
      <textarea rows={2} maxLength={500} aria-label={text.why} placeholder={text.why} value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
      <div class="form-buttons">
        <button type="button" class="button" onClick={onDone}>
          {text.abandon}
        </button>
        <button type="submit" class="button button-main" disabled={isSending || !why.value.trim()}>
          {isSending ? words.value.sending : text.save}
        </button>
      </div>
    </form>
  );
}

function shown(value: number | null): string {
  return value === null ? '' : String(value);
}

/** What is own of one parameter: what was own already, with what was typed now. Nothing typed leaves everybody's. */
function ownOf(limit: LimitCard, typed: Record<string, string>): [string, OwnLimit][] {
  const isTyped = SIDES.some((side) => typed[`${limit.name}/${side}`] !== undefined);
  if (!isTyped && !limit.is_own) return [];
  const side = (name: Side): number | null => {
    const text = typed[`${limit.name}/${name}`] ?? shown(limit[name]);
    return text.trim() === '' ? null : Number(text);
  };
  return [[limit.name, { low: side('low'), high: side('high') }]];
}
