// The reader's language, and how a sentence is made of a template and facts.

import { computed, signal } from '@preact/signals';
import { en } from './en.ts';
import { zh, type Words } from './zh.ts';

export type Language = 'zh' | 'en';
export type CodeGroup = keyof Words['codes'];

const TABLES: Record<Language, Words> = { zh, en };
const KEPT = 'onekey.language';

export const language = signal<Language>(firstLanguage());

/** The words of the reader's language; reading `.value` in a component redraws it when the language changes. */
export const words = computed<Words>(() => TABLES[language.value]);

/** What was chosen by hand on this browser, else what the browser speaks. */
function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === 'zh' || kept === 'en') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export function isLanguage(text: string): text is Language {
  return text === 'zh' || text === 'en';
}

/** A reader's own choice, kept on this browser. */
export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(KEPT, chosen);
  speak(chosen);
}

export function speak(chosen: Language): void {
  language.value = chosen;
  document.documentElement.lang = words.value.lang;
}

/** `{name}` becomes the fact of that name; a part in `[…]` disappears when a fact in it is missing or empty. */
export function fill(template: string, facts: Record<string, string | number | undefined>): string {
  const has = (name: string): boolean => facts[name] !== undefined && facts[name] !== '';
  const parts = template.replace(/\[([^\]]*)\]/g, (_whole, part: string) => {
    const names = [...part.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    return names.every(has) ? part : '';
  });
  return parts.replace(/\{(\w+)\}/g, (_whole, name: string) => (has(name) ? String(facts[name]) : '?'));
}

/** A code in words. One that no table knows is shown as it is, readable, never blank. `code:x` fills `{x}`. */
export function sayCode(group: CodeGroup, code: string): string {
  const [plain, rest] = splitCode(code);
  const template = lookUp(group, plain);
  if (template === undefined) return readable(code);
  return fill(template, { x: rest === undefined ? undefined : sayCode('skill', rest) });
}

export function lookUp(group: CodeGroup, code: string): string | undefined {
  const table: Record<string, string> = words.value.codes[group];
  return Object.hasOwn(table, code) ? table[code] : undefined;
}

/** The first of several tables that knows the code. */
export function sayAny(groups: readonly CodeGroup[], code: string): string {
  const group = groups.find((each) => lookUp(each, splitCode(code)[0]) !== undefined);
  return group === undefined ? readable(code) : sayCode(group, code);
}

export function list(items: readonly string[]): string {
  return items.join(words.value.listComma);
}

function splitCode(code: string): [string, string | undefined] {
  const colon = code.indexOf(':');
  return colon < 0 ? [code, undefined] : [code.slice(0, colon), code.slice(colon + 1)];
}

function readable(code: string): string {
  return code.replaceAll('_', ' ').replaceAll(':', ': ') || '?';
}
