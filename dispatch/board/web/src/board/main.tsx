// The operators' board.

import { render } from 'preact';
import '../styles/tokens.css';
import '../styles/parts.css';
import '../styles/board.css';
import '../styles/detail.css';
import '../styles/watch.css';
import { startTheme } from '../parts/switches.tsx';
import { findOutWho } from '../session.ts';
import { onTick, startTicker } from '../ticker.ts';
import { language, speak } from '../words/words.ts';
import { App } from './App.tsx';
import { followChosen } from './detail.ts';
import { tick } from './feed.ts';

startTheme();
speak(language.value);
startTicker();
onTick(tick);
followChosen();
void findOutWho();

const page = document.getElementById('page');
if (page) render(<App />, page);
