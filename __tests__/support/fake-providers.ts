import { once, EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { anthropic } from './providers/anthropic.ts';
import { gemini } from './providers/gemini.ts';
import { openai } from './providers/openai.ts';
import { readPrompt, type Delivery, type Situation } from './providers/situation.ts';
import type { WireProtocol, WireRequest } from './providers/wire.ts';

export type ProviderName = WireProtocol['name'];

/** A request that a provider got. */
export interface ProviderRequest {
  provider: ProviderName;
  /** The marker's `tag`: how a test finds its own requests among those of others. */
  tag: string | null;
  path: string;
  headers: Record<string, string>;
  body: WireRequest;
  /** `left`: the caller closed the connection before the reply was whole. */
  state: 'open' | 'answered' | 'left' | 'broken';
  /** Writes with content so far. */
  pieces: number;
}

const protocols: readonly WireProtocol[] = [openai, anthropic, gemini];

/** What came in, and what tests have let go on. */
class Traffic {
  readonly requests: ProviderRequest[] = [];
  readonly releasedTags = new Set<string>();
  readonly #changes = new EventEmitter().setMaxListeners(0);

  changed(): void {
    this.#changes.emit('change');
  }

  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition()) await once(this.#changes, 'change', { signal });
  }
}

/**
 * Starts fake OpenAI, Anthropic and Gemini upstreams on one loopback port, under `/openai/v1`, `/anthropic` and
 * `/gemini/v1beta`. The prompt chooses what they answer (providers/situation.ts). What they got is asked for under
 * `/control` (FakeProviders), since the tests run in other processes.
 */
export async function startFakeProviders(): Promise<{ url: string; close(): Promise<void> }> {
  const traffic = new Traffic();
  const server = createServer((request, response) => {
    const isControl = request.url?.startsWith('/control/') === true;
    const answered = isControl ? answerControl(request, response, traffic) : answerProvider(request, response, traffic);
    answered.catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: { message: `fake provider: ${String(error)}` } });
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answerProvider(request: IncomingMessage, response: ServerResponse, traffic: Traffic): Promise<void> {
  const path = request.url ?? '';
  const protocol = protocols.find(({ name }) => path.startsWith(`/${name}/`));
  const body = JSON.parse((await readAll(request)) || '{}') as WireRequest;
  if (protocol === undefined || request.method !== 'POST') return sendJson(response, 404, { error: 'no such route' });

  const { situation, delivery } = readPrompt(protocol.prompt(body));
  const record: ProviderRequest = {
    provider: protocol.name,
    tag: delivery.tag,
    path,
    headers: request.headers as Record<string, string>,
    body,
    state: 'open',
    pieces: 0,
  };
  traffic.requests.push(record);
  const change = (state: ProviderRequest['state']): void => {
    if (record.state === 'open') record.state = state;
    traffic.changed();
  };
  change('open');
  const gone = new AbortController();
  response.on('close', () => {
    change(response.writableFinished ? 'answered' : 'left');
    gone.abort();
  });

  try {
    await deliver(protocol, { situation, delivery, body, path }, response, {
      released: () => traffic.until(() => traffic.releasedTags.has(delivery.tag ?? ''), gone.signal),
      piece: () => {
        record.pieces += 1;
        traffic.changed();
      },
      broken: () => {
        change('broken');
      },
      gone: gone.signal,
    });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
}

interface Progress {
  released: () => Promise<void>;
  piece: () => void;
  broken: () => void;
  gone: AbortSignal;
}

async function deliver(
  protocol: WireProtocol,
  asked: { situation: Situation; delivery: Delivery; body: WireRequest; path: string },
  response: ServerResponse,
  progress: Progress,
): Promise<void> {
  const { situation, delivery, body, path } = asked;
  const { fault } = delivery;
  if (delivery.delay > 0) await wait(delivery.delay, undefined, { signal: progress.gone });
  if (delivery.status !== null) {
    if (delivery.retryAfter !== null) response.setHeader('retry-after', delivery.retryAfter);
    return sendJson(response, delivery.status, protocol.error(delivery.status));
  }
  if (!protocol.isStream(body, path)) {
    if (delivery.hold !== null) await progress.released();
    const text = JSON.stringify(protocol.body(situation, body));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    if (fault === null) response.end(text);
    else if (fault.type !== 'stall') {
      response.write(text.slice(0, text.length / 2));
      progress.broken();
      response.destroy();
    }
    return;
  }

  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_fake1' });
  response.flushHeaders();
  let pieces = 0;
  for (const frame of protocol.stream(situation, body)) {
    if (frame.isContent || fault?.after === 0) {
      if (pieces === delivery.hold) await progress.released();
      if (fault !== null && pieces >= fault.after) return breakOff(fault.type, protocol, response, progress);
      if (delivery.pace > 0) await wait(delivery.pace, undefined, { signal: progress.gone });
    }
    if (!response.write(frame.bytes)) await once(response, 'drain', { signal: progress.gone });
    if (frame.isContent) {
      pieces += 1;
      progress.piece();
    }
  }
  if (fault !== null) return breakOff(fault.type, protocol, response, progress);
  response.end(delivery.isUnmarked ? '' : protocol.endMark);
}

function breakOff(
  type: NonNullable<Delivery['fault']>['type'],
  protocol: WireProtocol,
  response: ServerResponse,
  progress: Progress,
): void {
  if (type === 'stall') return;
  if (type === 'junk') response.end(`data: {"this is": no JSON\n\n${protocol.endMark}`);
  else if (type === 'error') response.end(protocol.errorFrame);
  else if (type === 'end') response.end();
  else {
    progress.broken();
    // The bytes before the cut are to arrive: a reset could throw them away.
    response.socket?.end(() => response.destroy());
  }
}

async function answerControl(request: IncomingMessage, response: ServerResponse, traffic: Traffic): Promise<void> {
  const url = new URL(request.url ?? '', 'http://control');
  const tag = url.searchParams.get('tag') ?? '';
  if (url.pathname === '/control/release') {
    traffic.releasedTags.add(tag);
    traffic.changed();
    return sendJson(response, 200, {});
  }
  const state = url.searchParams.get('state');
  const pieces = Number(url.searchParams.get('pieces') ?? 0);
  const matching = (): ProviderRequest[] =>
    traffic.requests.filter(
      (one) => one.tag === tag && (state === null || one.state === state) && one.pieces >= pieces,
    );
  const limit = AbortSignal.timeout(Number(url.searchParams.get('wait') ?? 0));
  if (url.searchParams.has('wait')) await traffic.until(() => matching().length > 0, limit).catch(() => undefined);
  return sendJson(response, 200, matching());
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** What tests ask the fake providers, from whichever process. */
export class FakeProviders {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The requests with this tag, in order of arrival. */
  async requests(tag: string): Promise<ProviderRequest[]> {
    return this.#ask(`requests?tag=${encodeURIComponent(tag)}`);
  }

  /** The first request with this tag that is in a state, or has sent so many pieces; waits for it. */
  async waitFor(
    tag: string,
    what: { state?: ProviderRequest['state']; pieces?: number } = {},
  ): Promise<ProviderRequest> {
    const query = new URLSearchParams({ tag, wait: '20000' });
    if (what.state !== undefined) query.set('state', what.state);
    if (what.pieces !== undefined) query.set('pieces', String(what.pieces));
    const [first] = await this.#ask<ProviderRequest[]>(`requests?${query.toString()}`);
    if (first === undefined) throw new Error(`no request with tag ${tag} became ${JSON.stringify(what)} within 20 s`);
    return first;
  }

  /** Lets replies that wait at their `hold` go on. */
  async release(tag: string): Promise<void> {
    await this.#ask(`release?tag=${encodeURIComponent(tag)}`);
  }

  async #ask<Answer>(path: string): Promise<Answer> {
    const answer = await fetch(`${this.url}/control/${path}`);
    return (await answer.json()) as Answer;
  }
}
