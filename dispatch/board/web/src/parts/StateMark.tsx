// A state as icon and word; the colour comes from the class.

import { sayCode } from '../words/words.ts';
import { Icon, isIcon } from './Icon.tsx';

type Group = 'state' | 'assignment' | 'worker';

export function StateMark({ group, code }: { group: Group; code: string }) {
  const icon = code === 'unanswered' ? 'phone' : code;
  return (
    <span class={`state state-${code}`}>
      {isIcon(icon) && <Icon name={icon} size={15} />}
      <span>{sayCode(group, code)}</span>
    </span>
  );
}

export function KindMark({ kind, size = 18 }: { kind: string; size?: number }) {
  return (
    <span class="kind">
      {isIcon(kind) && <Icon name={kind} size={size} />}
      <span>{sayCode('kind', kind)}</span>
    </span>
  );
}
