// The server's time on this machine: the monotonic clock plus an offset, so that a wrong or changed wall clock here
// moves no countdown.

const FRESH_MS = 10 * 60_000;

interface Sample {
  offset: number;
  rtt: number;
  at: number;
}

export class ServerClock {
  private best: Sample | null = null;
  private floor = Number.NEGATIVE_INFINITY;

  /** A request's answer named the server's time: the sample with the shortest round trip of the last 10 min counts. */
  roundTrip(serverNow: string, sentAt: number, receivedAt: number): void {
    const rtt = receivedAt - sentAt;
    const offset = Date.parse(serverNow) - (sentAt + receivedAt) / 2;
    const isStale = this.best === null || receivedAt - this.best.at > FRESH_MS;
    if (isStale) this.floor = Number.NEGATIVE_INFINITY;
    if (isStale || this.best === null || rtt <= this.best.rtt) this.best = { offset, rtt, at: receivedAt };
  }

  /** A frame was pushed: it left the server no later than now, so the offset is at least this much. */
  pushed(serverNow: string, receivedAt: number): void {
    this.floor = Math.max(this.floor, Date.parse(serverNow) - receivedAt);
  }

  /** Milliseconds since 1970 as the server counts them. */
  now(): number {
    const offset = Math.max(this.best?.offset ?? Number.NEGATIVE_INFINITY, this.floor);
    return Number.isFinite(offset) ? performance.now() + offset : Date.now();
  }
}

export const serverClock = new ServerClock();
