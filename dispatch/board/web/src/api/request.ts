// Requests to the API. A refusal is an answer with a code; silence and a broken service are `Unreachable`.

import { serverClock } from './server-clock.ts';
import type { Facts, Refusal } from './types.ts';

const ROOT = '/api/v1';
const LIMIT_MS = 10_000;

/** The service said no: `status` is HTTP's, `code` and `facts` become a sentence (words/say.ts). */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly facts: Facts;

  constructor(status: number, refusal: Refusal) {
    super(refusal.code);
    this.status = status;
    this.code = refusal.code;
    this.facts = refusal.facts;
  }
}

/** Nothing usable came back: no link, no answer within 10 s, or the service is broken. Trying again makes sense. */
export class Unreachable extends Error {}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export async function request<Answer>(method: Method, path: string, body?: unknown): Promise<Answer> {
  const sentAt = performance.now();
  const response = await reach(method, path, body);
  if (response.ok) {
    const answer = await readJson<Answer & { server_now?: string }>(response);
    if (answer.server_now) serverClock.roundTrip(answer.server_now, sentAt, performance.now());
    return answer;
  }
  // 502 to 504 come from what stands in between; a 503 of our own has a code, but later may well do.
  if (response.status >= 500) throw new Unreachable(String(response.status));
  throw new Refused(response.status, await readRefusal(response));
}

async function reach(method: Method, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Requested-With': 'onekey' };
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' };
  if (method === 'POST' || method === 'PUT') {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body ?? {});
  }
  try {
    return await fetch(ROOT + path, { ...init, signal: AbortSignal.timeout(LIMIT_MS) });
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function readJson<Answer>(response: Response): Promise<Answer> {
  try {
    return (await response.json()) as Answer;
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function readRefusal(response: Response): Promise<Refusal> {
  try {
    const body = (await response.json()) as Partial<Refusal>;
    return { code: body.code ?? `http_${response.status}`, facts: body.facts ?? {} };
  } catch {
    return { code: `http_${response.status}`, facts: {} };
  }
}
