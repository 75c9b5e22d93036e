// Choosing a call. Where the page is one column, its detail is brought into view, and the list again on request.

import { chosenId } from './state.ts';

const ONE_COLUMN = matchMedia('(width < 900px)');

export function choose(id: string): void {
  chosenId.value = id;
  // The detail is drawn first, so that there is something to scroll to.
  if (ONE_COLUMN.matches) requestAnimationFrame(() => bring('.detail'));
}

/** Back from the detail to the row it belongs to; to the top of the list if that row has gone. */
export function backToCalls(): void {
  if (!bring('.row.chosen .row-main', 'center')) bring('.queue .button');
}

function bring(selector: string, block: ScrollLogicalPosition = 'start'): boolean {
  const found = document.querySelector<HTMLElement>(selector);
  found?.scrollIntoView({ block });
  found?.focus({ preventScroll: true });
  return found !== null;
}
