// What the service says in codes and facts, as sentences: log lines, next steps, refusals, questions.

import { Refused } from '../api/request.ts';
import type { Facts, LogLine, NextStep, PersonCard, Place } from '../api/types.ts';
import { clockTime, etaMinutes } from './times.ts';
import { type CodeGroup, fill, list, lookUp, sayAny, sayCode, words } from './words.ts';

type Names = Record<string, string>;

/** From so many seconds on a duration is told in hours. */
const LONG_S = 7200;

const REASONS: readonly CodeGroup[] = ['refusal', 'decline', 'ended', 'outcome', 'candidate', 'why'];

const GROUP_OF_FACT: Record<string, CodeGroup> = {
  kind: 'kind',
  band: 'band',
  event: 'event',
  outcome: 'outcome',
  why: 'why',
  state: 'assignment',
  origin: 'origin',
  seen: 'seen',
  what: 'notice',
  target: 'target',
};

/** What is known of where a call is. */
export interface Whereabouts {
  address: string;
  place: Place | null;
  is_known_home: boolean;
}

/** Whether the way there can be reckoned: to a place, or to a registered home, which at least has a station. */
export function isFindable(where: Whereabouts): boolean {
  return where.place !== null || where.is_known_home;
}

/** The minutes to the door; no invented ones where nobody knows the way. */
export function sayEta(where: Whereabouts, seconds: number): string {
  if (isFindable(where)) return etaMinutes(seconds);
  return where.address ? words.value.board.noWay : words.value.board.askAddress;
}

export function sayNear(where: Whereabouts, seconds: number): string {
  return isFindable(where) ? `≈ ${etaMinutes(seconds)}` : sayEta(where, seconds);
}

/** One line of the timeline of a call as a sentence. */
export function sayLog(line: LogLine, where: Whereabouts): string {
  const template = lookUp('log', line.code);
  if (template === undefined) return sayUnknown(line.code, line.facts);
  const facts = isFindable(where) ? line.facts : { ...line.facts, eta_s: null };
  return fill(template, { ...sayFacts(facts, line.names), by: sayAuthor(line) });
}

/** A terminal has no name: its id says so. */
function sayAuthor(line: LogLine): string {
  const isTerminal = line.facts.terminal_id === line.by || line.code.startsWith('alarm_');
  return isTerminal ? fill(words.value.detail.terminal, { id: line.by }) : sayWho(line.by, line.names);
}

/** Who did something: a person's name, or one of the service's own parts. */
export function sayWho(by: string, names: Names): string {
  return names[by] ?? lookUp('by', by) ?? by;
}

export function sayFacts(facts: Facts, names: Names): Record<string, string> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, sayFact(name, value, names)]));
}

function sayFact(name: string, value: unknown, names: Names): string {
  const group = GROUP_OF_FACT[name];
  if (value === null || value === undefined) return '';
  if (group) return sayCode(group, String(value));
  if (Array.isArray(value)) return list(value.map((each) => sayListed(name, String(each))));
  if (typeof value === 'object') return sayCounts(value as Record<string, number>);
  if (name === 'reason') return sayAny(REASONS, String(value));
  if (name === 'by') return sayWho(String(value), names);
  if (name === 'level') return `L${String(value)}`;
  if (name.endsWith('_s') && typeof value === 'number') return value < LONG_S ? etaMinutes(value) : fill(words.value.unit.hours, { n: Math.round(value / 3600) });
  if (name === 'at' || name.endsWith('_at') || name.endsWith('_by')) return clockTime(String(value));
  return names[String(value)] ?? String(value);
}

function sayListed(name: string, value: string): string {
  if (name === 'told' || name === 'tells') return sayCode('target', value);
  return sayAny(['flaw', 'skill', 'candidate'], value);
}

/** How many of the others are out of the question for which reason. */
export function sayCounts(counts: Record<string, number>): string {
  const reasons = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return list(reasons.map(([code, n]) => `${sayCode('candidate', code)} ${n}`));
}

function sayUnknown(code: string, facts: Facts): string {
  const details = Object.entries(facts).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  const plain = code.replaceAll('_', ' ');
  return details.length ? `${plain} (${details.join(', ')})` : plain;
}

/** What happens when an incident's earliest clock runs out. */
export function sayNext(next: NextStep): string {
  const { asked, is_lost: isLost, closes } = next.facts;
  const again = `${next.code}_again`;
  const isAgain = isLost === true || closes === true || Number(asked ?? 0) > 0;
  const code = isAgain && lookUp('next', again) !== undefined ? again : next.code;
  const template = lookUp('next', code);
  if (template === undefined) return sayUnknown(next.code, {});
  const said = fill(template, sayFacts(next.facts, {}));
  return next.code === 'climb' && next.facts.level ? `L${String(next.facts.level)} ${said}` : said;
}

/** Why something was not done, e.g. "first taken by 李敏 at 13:40:02". */
export function sayError(error: unknown): string {
  if (!(error instanceof Refused)) return sayCode('refusal', 'unreachable');
  const template = lookUp('refusal', error.code);
  if (template === undefined) return sayUnknown(error.code, error.facts);
  return fill(template, sayFacts(error.facts, {}));
}

export function sayPerson(person: PersonCard): string {
  return person.age_years === null ? person.name : `${person.name} ${person.age_years}`;
}

/** The residents of a home in one short phrase. */
export function sayPeople(people: readonly PersonCard[]): string {
  const [first, ...others] = people;
  if (!first) return words.value.board.noPerson;
  if (others.length === 0) return sayPerson(first);
  if (others.length === 1 && others[0]) return list([sayPerson(first), sayPerson(others[0])]);
  return fill(words.value.board.people, { name: sayPerson(first), n: people.length });
}

export function sayQuestion(code: string, kind: string): string {
  const template = lookUp('question', code);
  return template === undefined ? sayUnknown(code, {}) : fill(template, { kind: sayCode('kind', kind) });
}
