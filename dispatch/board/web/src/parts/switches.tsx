// Language and colours, for both pages.

import { signal } from '@preact/signals';
import { who, rememberLanguage } from '../session.ts';
import { chooseLanguage, language, words } from '../words/words.ts';
import { Icon } from './Icon.tsx';

const KEPT = 'onekey.theme';

type Theme = 'dark' | 'light';

const theme = signal<Theme>('dark');

/** The reader's choice, or what the page asks for, or what the system prefers. */
export function startTheme(): void {
  const kept = localStorage.getItem(KEPT) ?? document.documentElement.dataset.theme;
  const preferred = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
  setTheme(kept === 'light' || kept === 'dark' ? kept : preferred);
}

function setTheme(chosen: Theme): void {
  theme.value = chosen;
  document.documentElement.dataset.theme = chosen;
}

function chooseTheme(chosen: Theme): void {
  setTheme(chosen);
  localStorage.setItem(KEPT, chosen);
}

export function ThemeSwitch() {
  const isDark = theme.value === 'dark';
  const label = isDark ? words.value.theme.toLight : words.value.theme.toDark;
  return (
    <button type="button" class="plain" aria-label={label} title={label} onClick={() => chooseTheme(isDark ? 'light' : 'dark')}>
      <Icon name={isDark ? 'sun' : 'moon'} />
    </button>
  );
}

export function LanguageSwitch() {
  const toggle = (): void => {
    const chosen = language.value === 'zh' ? 'en' : 'zh';
    chooseLanguage(chosen);
    if (who.value) void rememberLanguage(chosen);
  };
  return (
    <button type="button" class="plain language" aria-label={words.value.languageSwitch} onClick={toggle}>
      {words.value.otherLanguage}
    </button>
  );
}
