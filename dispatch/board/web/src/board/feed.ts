// Keeps the board's picture the service's picture.

import { signal } from '@preact/signals';
import { Refused, request } from '../api/request.ts';
import { serverClock } from '../api/server-clock.ts';
import { Stream } from '../api/stream.ts';
import type { BoardFrame, BoardSnapshot } from '../api/types.ts';
import { signedOut } from '../session.ts';
import { beat } from '../ticker.ts';
import { dropOld, forgetPicture, seq, takeDelta, takeSnapshot, takeUnstored } from './state.ts';

export const STALE_AFTER_MS = 15_000;

/** Seconds since the last sign of life; renewed by the ticker. */
export const ageS = signal(0);

export const stream = new Stream<BoardFrame>({
  path: () => (seq.value === null ? '/stream' : `/stream?since=${seq.value}`),
  onFrame: take,
  poll: fetchBoard,
  onSignedOut: signedOut,
});

export async function startFeed(): Promise<void> {
  forgetPicture();
  try {
    await fetchBoard();
    stream.heard();
  } catch {
    // The stream's own attempts and polls go on; the header says that there is no link.
  }
  stream.start();
}

export function tick(): void {
  ageS.value = (performance.now() - stream.heardAt.value) / 1000;
  dropOld(serverClock.now());
}

async function fetchBoard(): Promise<void> {
  try {
    takeSnapshot(await request<BoardSnapshot>('GET', '/board'));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) signedOut();
    throw error;
  }
}

function take(frame: BoardFrame): void {
  const told = frame.type === 'snapshot' ? frame.board.server_now : frame.server_now;
  serverClock.pushed(told, performance.now());
  beat();
  ageS.value = 0;
  if (frame.type === 'snapshot') {
    forgetPicture();
    takeSnapshot(frame.board);
  } else if (frame.type === 'unstored') {
    takeUnstored(frame);
  } else if (frame.type === 'delta') {
    if (frame.follows === seq.value) takeDelta(frame);
    else void catchUp();
  } else if (seq.value !== null && frame.seq < seq.value) {
    void catchUp();
  }
}

let catchingUp = false;

/** A frame does not follow what we have: ask for the whole picture, then go on from there. */
async function catchUp(): Promise<void> {
  if (catchingUp) return;
  catchingUp = true;
  try {
    forgetPicture();
    await fetchBoard();
    stream.reconnect();
  } catch {
    stream.reconnect();
  } finally {
    catchingUp = false;
  }
}
