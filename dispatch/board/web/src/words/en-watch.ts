// What is said of the centre itself, in English.

import type { WatchWords } from './zh-watch.ts';

export const watchEn: WatchWords = {
  codes: {
    trouble: {
      possible_gap: 'Presses may have been lost while the link to the broker was gone. Phone the homes most at risk.',
      auditor: 'A deadline has passed and nothing happened. Watch every open call by hand and call whoever runs the service.',
      canary: 'The test press is not answered: real ones may not come through either. Call whoever runs the service.',
      no_board: 'Nobody has the board open.',
      nobody_answers: 'Grave calls wait and nobody answers any.',
    },
  },
  text: {
    centre: 'The centre itself',
    canary: 'Self-test {time}',
    canaryWhy: 'The service presses a test terminal now and then: stored after {stored_ms} ms[, on the board after {shown_ms} ms]',
    canaryNever: 'Self-test not finished yet',
    outage: 'The database is away since {time}: the list stands still. New presses stand here and are not stored; please phone. They become calls by themselves.',
    slow: 'These presses are not stored yet; be ready to phone. They become calls by themselves.',
    notStored: 'NOT STORED',
    pressed: 'pressed {n} times',
    unknown: 'Terminal {id} (not in the register, or not read yet)',
    more: '{n} more homes are not listed',
    full: '{used} of {window} places for unconfirmed messages are used: more calls may wait unseen.',
    list: 'Presses not stored yet',
  },
};
