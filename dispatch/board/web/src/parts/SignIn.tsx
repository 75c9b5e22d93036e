// The operators' sign-in.

import { useSignal } from '@preact/signals';
import type { TargetedSubmitEvent } from 'preact';
import { signIn } from '../session.ts';
import { sayError } from '../words/say.ts';
import { words } from '../words/words.ts';
import { Icon } from './Icon.tsx';
import { LanguageSwitch, ThemeSwitch } from './switches.tsx';

export function SignIn() {
  const trouble = useSignal<unknown>(null);
  const isBusy = useSignal(false);
  const text = words.value.signIn;

  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    isBusy.value = true;
    try {
      await signIn(String(fields.get('name')), String(fields.get('password')));
    } catch (error) {
      trouble.value = error;
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <main class="sign-in">
      <form class="sign-in-box" onSubmit={(event) => void submit(event)}>
        <div class="sign-in-top">
          <span class="brand" aria-hidden="true">
            <Icon name="brand" size={34} />
          </span>
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
        <h1>{words.value.product}</h1>
        <p class="quiet">{text.title}</p>
        <label>
          {text.name}
          <input name="name" autocomplete="username" required maxLength={200} autofocus />
        </label>
        <label>
          {text.password}
          <input name="password" type="password" autocomplete="current-password" required maxLength={200} />
        </label>
        <p class="trouble" role="alert">
          {trouble.value === null ? '' : sayError(trouble.value)}
        </p>
        <button type="submit" class="button button-main" disabled={isBusy.value}>
          {isBusy.value ? words.value.sending : text.submit}
        </button>
      </form>
    </main>
  );
}
