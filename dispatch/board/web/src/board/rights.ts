// What the signed-in person may do; the service decides, the page only leaves out what would be refused.

import { computed } from '@preact/signals';
import { who } from '../session.ts';

export const mayAct = computed(() => ['operator', 'supervisor', 'admin'].includes(who.value?.role ?? ''));
