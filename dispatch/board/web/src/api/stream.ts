// One WebSocket that never gives up: resumes where it was, watches for silence, backs off with jitter.

import { signal } from '@preact/signals';

const SILENCE_MS = 12_000;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10_000;
const POLL_MS = 5_000;
/** The service's own close code for a session that has ended. */
const SIGNED_OUT = 4401;

export type Link = 'connecting' | 'open' | 'down';

export interface StreamSource<Frame> {
  /** Path and query, asked anew for each attempt: it names the last entry seen. */
  path: () => string;
  onFrame: (frame: Frame) => void;
  /** The session has ended: there is nothing to come back to. */
  onSignedOut: () => void;
  /** Fetches the whole picture while the link is down; every 5 s. */
  poll: () => Promise<void>;
}

export class Stream<Frame> {
  readonly link = signal<Link>('connecting');
  /** performance.now() of the last sign of life: a frame, or a poll that worked. */
  readonly heardAt = signal(performance.now());
  private socket: WebSocket | null = null;
  private attempts = 0;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private poller: ReturnType<typeof setInterval> | undefined;
  private stopped = false;

  constructor(private readonly source: StreamSource<Frame>) {}

  start(): void {
    this.stopped = false;
    addEventListener('online', this.hurry);
    document.addEventListener('visibilitychange', this.hurry);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    removeEventListener('online', this.hurry);
    document.removeEventListener('visibilitychange', this.hurry);
    clearTimeout(this.retry);
    this.endPolling();
    this.drop();
  }

  /** Leave the present socket and connect anew at once, e.g. because a frame did not follow the last one seen. */
  reconnect(): void {
    this.connect();
  }

  heard(): void {
    this.heardAt.value = performance.now();
  }

  private readonly hurry = (): void => {
    if (document.hidden || this.link.value !== 'down') return;
    clearTimeout(this.retry);
    this.connect();
  };

  private connect(): void {
    if (this.stopped) return;
    this.drop();
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1${this.source.path()}`);
    this.socket = socket;
    this.watch();
    socket.onmessage = (message) => this.take(socket, message);
    socket.onclose = (event) => (event.code === SIGNED_OUT ? this.source.onSignedOut() : this.lost(socket));
  }

  private take(socket: WebSocket, message: MessageEvent): void {
    if (socket !== this.socket || typeof message.data !== 'string') return;
    this.attempts = 0;
    this.link.value = 'open';
    this.endPolling();
    this.heard();
    this.watch();
    this.source.onFrame(JSON.parse(message.data) as Frame);
  }

  private watch(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.socket && this.lost(this.socket), SILENCE_MS);
  }

  private lost(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.drop();
    if (this.stopped) return;
    this.link.value = 'down';
    this.beginPolling();
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.attempts);
    this.attempts += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), most * (0.5 + Math.random() / 2));
  }

  private drop(): void {
    clearTimeout(this.watchdog);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private beginPolling(): void {
    if (this.poller !== undefined) return;
    this.poller = setInterval(() => void this.pollOnce(), POLL_MS);
    void this.pollOnce();
  }

  private async pollOnce(): Promise<void> {
    try {
      await this.source.poll();
      this.heard();
    } catch {
      // The link is down as the header already says; the next attempt follows by itself.
    }
  }

  private endPolling(): void {
    clearInterval(this.poller);
    this.poller = undefined;
  }
}
