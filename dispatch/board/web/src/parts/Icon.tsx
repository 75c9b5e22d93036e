// Small drawings of our own, so that no font decides what a sign looks like.

const STROKES = {
  waiting: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  offered: 'M5 9a8 8 0 0 1 14 0M8 11a4.5 4.5 0 0 1 8 0M12 14v6M9 20h6',
  accepted: 'M4 13l5 5L20 6',
  en_route: 'M4 12h15M13 6l6 6-6 6',
  on_scene: 'M4 11l8-7 8 7M6 10v10h12V10M10 20v-6h4v6',
  finished: 'M4 13l5 5L20 6',
  helped: 'M3 11l9-7 9 7M6 9.500V20h12V9.500M9 14l2.500 2.500L16 12',
  closed: 'M4 4h16v16H4ZM8 12l3 3 5-6',
  declined: 'M6 6l12 12M18 6L6 18',
  lapsed: 'M7 4h10M7 20h10M8 4c0 5 8 5 8 8s-8 3-8 8M16 4c0 2-1 3-2 4',
  withdrawn: 'M9 7L4 12l5 5M4 12h11a5 5 0 0 1 0 10',
  lost: 'M12 17v.5M9.5 9a2.5 2.5 0 1 1 3.4 2.4c-.6.3-.9.8-.9 1.6M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  free: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M5 20c1-4 4-5 7-5s6 1 7 5',
  off: 'M19 14a8 8 0 1 1-9-10 6.5 6.5 0 0 0 9 10',
  phone: 'M6 3h3l2 5-2.500 1.500a11 11 0 0 0 6 6L16 13l5 2v3a3 3 0 0 1-3 3A15 15 0 0 1 3 6a3 3 0 0 1 3-3',
  key: 'M9 15a4 4 0 1 1 0-.01M11.500 12L20 4M16 8l3 3',
  up: 'M12 20V5M6 11l6-6 6 6',
  plus: 'M12 5v14M5 12h14',
  person_plus: 'M10 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M3 20c1-4 4-5 7-5 2 0 4 .5 5.500 2M18 14v6M15 17h6',
  note: 'M5 4h14v12l-4 4H5ZM15 20v-4h4M8 9h8M8 13h5',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5',
  moon: 'M19 14a8 8 0 1 1-9-10 6.500 6.500 0 0 0 9 10',
  out: 'M14 4H5v16h9M10 12h11M17 8l4 4-4 4',
  link: 'M4 18v2M9 14v6M14 10v10M19 5v15',
  link_lost: 'M4 18v2M9 14v6M14 16v4M14 5l6 6M20 5l-6 6',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5',
  pin: 'M12 21c5-6 7-9 7-12a7 7 0 0 0-14 0c0 3 2 6 7 12M12 11.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  down: 'M6 9l6 6 6-6',
  close: 'M6 6l12 12M18 6L6 18',
  alert: 'M12 4L2.500 20h19ZM12 10v4.500M12 17v.5',
  brand: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8',
  refresh: 'M20 12a8 8 0 1 1-2.500-5.800M20 3v5h-5',
  sos: 'M12 3v10M6.500 6.500a8 8 0 1 0 11 0',
  fall: 'M9 5.500a1.500 1.500 0 1 0 0-.01M7 10l5 1 3 4 5 1M12 11l-3 5-5 4M3 21h18',
  fire: 'M12 3c1 4 6 6 6 11a6 6 0 0 1-12 0c0-2 1-4 2.500-5 0 2 1 3 2 3 1.500-2-.5-5 1.500-9',
  family: 'M12 20s-8-5-8-11a4.500 4.500 0 0 1 8-2.500A4.500 4.500 0 0 1 20 9c0 6-8 11-8 11',
  service: 'M14 6a4 4 0 0 0 5 5l-9 9a2 2 0 0 1-4-4l9-9a4 4 0 0 1-1-1M14 6a4 4 0 0 1 5-1l-2.500 2.500 1 1L20 6',
  consult: 'M4 5h16v11h-9l-5 4v-4H4ZM12 8v5M9.500 10.500h5',
  vitals: 'M2 12h5l2-6 4 12 3-8 1.500 2H22',
  vitals_urgent: 'M2 12h4l2-4 3 8 2-4h9',
  trend: 'M3 17l6-5 4 3 8-9M15 6h6v6',
  no_activity: 'M3 12h18M12 5v3M12 16v3',
  measure_again: 'M4 12a8 8 0 1 1 2.500 5.800M4 12l-2-3M4 12l3-2M12 8v4l3 2',
  unreadable: 'M12 17v.5M9.500 9a2.500 2.500 0 1 1 3.400 2.400c-.6.3-.9.8-.9 1.600M4 3h16v18H4Z',
  worker_safety: 'M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6ZM12 9v4M12 15.500v.5',
  possible_gap: 'M3 12h5M16 12h5M10 8l4 8',
  auditor: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4l3 2M4 4l16 16',
  canary: 'M4 13c3-6 8-8 12-6l4-1-2 4c0 6-5 9-10 8l-5 2M15 9v.01',
  no_board: 'M3 5h18v11H3ZM8 20h8M7 8l10 5',
  nobody_answers: 'M5 4h4l1 5-2 2c1 2 3 4 5 5l2-2 5 1v4c-8 2-17-7-15-15M15 4l5 5M20 4l-5 5',
} as const;

export type IconName = keyof typeof STROKES;

export function isIcon(name: string): name is IconName {
  return Object.hasOwn(STROKES, name);
}

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={STROKES[name]} />
    </svg>
  );
}
