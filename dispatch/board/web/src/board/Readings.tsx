// What was measured: why it called, a line of the last day for each parameter, and every value in a table.

import { useSignal } from '@preact/signals';
import type { CauseCard, LimitCard, ReadingCard } from '../api/types.ts';
import { clockTime } from '../words/times.ts';
import { fill, list, lookUp, sayCode, words } from '../words/words.ts';

const MEASURED = [
  'heart_rate_bpm',
  'spo2_percent',
  'systolic_mmhg',
  'diastolic_mmhg',
  'temperature_c',
  'respiration_per_min',
] as const;
type Name = (typeof MEASURED)[number];

const WIDTH = 220;
const HEIGHT = 36;
const EDGE = 4;
/** A line over a longer silence would tell of readings that nobody took. */
const GAP_MS = 2 * 3_600_000;

interface Point {
  at: number;
  value: number;
  isCause: boolean;
}

export function Readings({ readings, causes, limits }: { readings: ReadingCard[]; causes: CauseCard[]; limits: LimitCard[] }) {
  if (readings.length === 0 && causes.length === 0) return null;
  const text = words.value.detail;
  return (
    <section class="block" aria-label={text.readings}>
      <h3>{text.readings}</h3>
      <Causes causes={causes} />
      <div class="lines">
        {MEASURED.map((name) => (
          <Line key={name} name={name} points={pointsOf(readings, name, causes)} limit={limits.find((each) => each.name === name)} />
        ))}
      </div>
      <Table readings={readings} />
    </section>
  );
}

function Causes({ causes }: { causes: CauseCard[] }) {
  if (causes.length === 0) return null;
  const text = words.value.health;
  return (
    <ul class="causes" aria-label={text.whyCalled}>
      {causes.map((each) => (
        <li key={`${each.terminal_id}/${each.code}/${each.at}`}>
          <b>{sayCode('flaw', each.code)}</b> {list(Object.entries(each.values).map(([name, value]) => sayValue(name, value)))}
          {each.score !== null && <span> · {fill(text.scored, { n: each.score })}</span>}
          <span class="quiet">
            {' '}
            <time>{clockTime(each.at)}</time>, {fill(text.since, { time: clockTime(each.since_at) })}
          </span>
        </li>
      ))}
    </ul>
  );
}

function pointsOf(readings: ReadingCard[], name: Name, causes: CauseCard[]): Point[] {
  const hasRung = causes.some((each) => name in each.values);
  return readings
    .flatMap((each) => {
      const value = each[name];
      return value === null || value === undefined ? [] : [{ at: Date.parse(each.at), value, isCause: each.is_cause && hasRung }];
    })
    .sort((a, b) => a.at - b.at);
}

function Line({ name, points, limit }: { name: Name; points: Point[]; limit: LimitCard | undefined }) {
  const last = points.at(-1);
  if (!last) return null;
  const values = points.map((each) => each.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = fill(words.value.health.range, { low: round(low), high: round(high) });
  return (
    <div class="line-of">
      <span class="quiet">{sayCode('parameter', name)}</span>
      <Drawn points={points} low={low} high={high} limit={limit} label={`${sayCode('parameter', name)} ${range}`} />
      <b>
        {round(last.value)} <small class="quiet">{sayCode('unit', name)}</small>
      </b>
      <span class="quiet">{range}</span>
    </div>
  );
}

function Drawn({ points, low, high, limit, label }: { points: Point[]; low: number; high: number; limit: LimitCard | undefined; label: string }) {
  const end = points.at(-1)?.at ?? 0;
  const start = Math.min(points[0]?.at ?? 0, end - 86_400_000);
  const span = Math.max(high - low, 1);
  const x = (at: number): number => EDGE + ((at - start) / Math.max(end - start, 1)) * (WIDTH - 2 * EDGE);
  const y = (value: number): number => HEIGHT - EDGE - ((value - low) / span) * (HEIGHT - 2 * EDGE);
  const crossed = [limit?.low, limit?.high].filter((each): each is number => typeof each === 'number' && each >= low && each <= high);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      {crossed.map((each) => (
        <line key={each} class="spark-limit" x1={0} x2={WIDTH} y1={y(each)} y2={y(each)} />
      ))}
      <path class="spark-line" d={points.map((each, n) => `${startsAnew(points, n) ? 'M' : 'L'}${x(each.at).toFixed(1)} ${y(each.value).toFixed(1)}`).join('')} />
      {points.filter((each, n) => each.isCause || isAlone(points, n)).map((each) => (
        <circle key={each.at} class={each.isCause ? 'spark-cause' : 'spark-dot'} cx={x(each.at)} cy={y(each.value)} r={each.isCause ? 2.5 : 1.5} />
      ))}
    </svg>
  );
}

function startsAnew(points: Point[], n: number): boolean {
  const [before, here] = [points[n - 1], points[n]];
  return !before || !here || here.at - before.at > GAP_MS;
}

function isAlone(points: Point[], n: number): boolean {
  return startsAnew(points, n) && (n + 1 >= points.length || startsAnew(points, n + 1));
}

function Table({ readings }: { readings: ReadingCard[] }) {
  const isOpen = useSignal(false);
  const text = words.value.health;
  const shown = MEASURED.filter((name) => readings.some((each) => each[name] !== null && each[name] !== undefined));
  if (shown.length === 0) return null;
  return (
    <>
      <button type="button" class="plain" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
        {fill(text.table, { n: readings.length })}
      </button>
      {isOpen.value && (
        <table class="values" tabIndex={0}>
          <thead>
            <tr>
              <th scope="col">{text.lastDay}</th>
              {shown.map((name) => (
                <th key={name} scope="col">
                  {sayCode('parameter', name)} <small class="quiet">{sayCode('unit', name)}</small>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {readings.map((each) => (
              <tr key={`${each.terminal_id}/${each.at}`} class={each.is_cause ? 'is-cause' : ''}>
                <th scope="row">{clockTime(each.at)}</th>
                {shown.map((name) => (
                  <td key={name}>{each[name] === null || each[name] === undefined ? '' : round(each[name])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function sayValue(name: string, value: number): string {
  return fill(lookUp('reading', name) ?? name, { n: round(value) });
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
