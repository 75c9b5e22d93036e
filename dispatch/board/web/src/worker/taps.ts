// No tap is lost on a flaky network: it is kept on the phone first, then sent, in order, until the service has answered.

import { effect, signal } from '@preact/signals';
import { Refused, request, Unreachable } from '../api/request.ts';
import type { WorkerView } from '../api/types.ts';
import { notifyError } from '../parts/notices.tsx';
import { signedOut, who } from '../session.ts';

const KEPT = 'onekey.taps';
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 10_000;
/** What is older no longer means anything to anybody. */
const KEPT_FOR_MS = 12 * 3_600_000;

export type Step = 'accept' | 'decline' | 'depart' | 'arrive' | 'finish' | 'ok' | 'hands' | 'confirm-cancel' | 'duty';

export interface Tap {
  id: string;
  workerId: string;
  offerId: string | null;
  step: Step;
  body: unknown;
  tappedAt: number;
  tries: number;
}

export const pending = signal<readonly Tap[]>(read());
/** True while at least one tap could not be sent at the first try. */
export const isHeldBack = signal(false);

let isSending = false;
let failures = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let onView: (view: WorkerView) => void = () => undefined;
let onRefused: () => void = () => undefined;

effect(() => localStorage.setItem(KEPT, JSON.stringify(pending.value)));

export function startTaps(take: (view: WorkerView) => void, refetch: () => void): void {
  onView = take;
  onRefused = refetch;
  const mine = who.value?.worker_id;
  pending.value = pending.value.filter((each) => each.workerId === mine && Date.now() - each.tappedAt < KEPT_FOR_MS);
  addEventListener('online', () => void send());
  void send();
}

export function tap(step: Step, offerId: string | null, body: unknown = {}): void {
  const workerId = who.value?.worker_id ?? '';
  const last = pending.value.at(-1);
  if (last && last.step === step && last.offerId === offerId && step !== 'duty') return;
  const id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  pending.value = [...pending.value, { id, workerId, offerId, step, body, tappedAt: Date.now(), tries: 0 }];
  void send();
}

/** Send what is kept, oldest first; on silence wait and begin again with the same tap. */
export async function send(): Promise<void> {
  if (isSending) return;
  isSending = true;
  clearTimeout(retry);
  try {
    while (pending.value[0]) await sendOne(pending.value[0]);
    failures = 0;
    isHeldBack.value = false;
  } catch {
    isHeldBack.value = true;
    const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures++);
    retry = setTimeout(() => void send(), most * (0.5 + Math.random() / 2));
  } finally {
    isSending = false;
  }
}

async function sendOne(first: Tap): Promise<void> {
  const path = first.offerId === null ? '/worker/duty' : `/offers/${first.offerId}/${first.step}`;
  try {
    const view = await request<WorkerView>('POST', path, first.body);
    drop(first);
    onView(view);
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 429) {
      replace({ ...first, tries: first.tries + 1 });
      throw error instanceof Unreachable ? error : new Unreachable('later');
    }
    if (error.status === 401) {
      signedOut();
      throw error;
    }
    drop(first);
    // An answer that got lost on its way: the tap had arrived the first time.
    if (first.tries === 0 || !error.code.startsWith('already_')) notifyError(error);
    onRefused();
  }
}

function drop(done: Tap): void {
  pending.value = pending.value.filter((each) => each.id !== done.id);
}

function replace(changed: Tap): void {
  pending.value = pending.value.map((each) => (each.id === changed.id ? changed : each));
}

function read(): Tap[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '[]');
    return Array.isArray(kept) ? (kept as Tap[]) : [];
  } catch {
    return [];
  }
}
