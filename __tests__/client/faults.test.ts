import { constants, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import type { StreamResult } from '../../src/client/reply/completion-stream.ts';
import { finishChunk, textChunk } from '../support/fake-upstream.ts';
import { errorFrame, faultScenarios, goodReply, streamed } from '../support/fault-scenarios.ts';
import { coded, event, head, lastChunk, startFaultServer, type FaultServer } from '../support/fault-server.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

const canary = 'sk-canary-0123456789abcdef';

let server: FaultServer;
const clients: LiteLLMClient[] = [];
const seen: string[] = [];

const ask = async (options: Partial<ClientOptions> = {}): Promise<StreamResult> => {
  const client = new LiteLLMClient({
    baseUrl: server.baseUrl,
    apiKey: canary,
    retries: 0,
    onDebug: (line) => seen.push(line),
    ...options,
  });
  clients.push(client);
  const stream = client.stream({ model: 'fake', messages: 'a secret prompt that must not be shown' });
  const result = await stream.result();
  seen.push(everythingIn(result.error), JSON.stringify(result));
  return result;
};

/** Message, hint, cause and every other member, however deep. */
function everythingIn(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null || depth > 6) return String(value);
  return Object.getOwnPropertyNames(value)
    .map((name) => `${name}=${everythingIn((value as Record<string, unknown>)[name], depth + 1)}`)
    .join(' ');
}

beforeAll(async () => {
  server = await startFaultServer();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await server.idle();
});

afterAll(() => server.close());

describe('a broken upstream', () => {
  test.each(faultScenarios)('$name: $verdict, $code', async ({ acts, verdict, code, text, limits }) => {
    server.script = acts;
    const result = await ask(limits);
    const content = result.completion?.choices[0]?.message.content ?? null;
    expect({ verdict: result.verdict, code: result.error?.code ?? null, content }).toEqual({
      verdict,
      code,
      content: text === undefined ? content : text,
    });
    expect(result.error?.completion ?? result.completion).toBe(result.completion);
  });

  test.each([66, 100, 135, 150, 165, 180, 200])(
    'a reset after %d kB that a slow reader holds up is a cut',
    async (kilobytes) => {
      const one = event(textChunk('x'.repeat(800)));
      server.script = [
        head(200, { Connection: 'close' }),
        one.repeat(Math.ceil((kilobytes * 1000) / one.length)),
        // Until the client holds as much as it will.
        { wait: 50 },
        { reset: true },
      ];
      const client = new LiteLLMClient({ baseUrl: server.baseUrl, retries: 0 });
      clients.push(client);
      const stream = client.stream({ model: 'fake', messages: 'hi' });
      let text = '';
      await stream.consume(async (arrival) => {
        text += arrival
          .chunks()
          .map((chunk) => chunk.choices[0]?.delta.content ?? '')
          .join('');
        await server.idle();
        // Turns of the event loop, for the reset to be noticed while the connection is paused.
        for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      });
      const { verdict, error, completion } = await stream.result();
      expect([verdict, error?.code]).toEqual(['cut', 'stream_cut']);
      expect(completion?.choices[0]?.message.content).toBe(text);
    },
  );

  test('what arrived compressed before a break is decoded first', async () => {
    const deltas = Array.from({ length: 200 }, (_, index) => event(textChunk(`word ${index} `)));
    const zipped = gzipSync([...deltas, event(finishChunk())].join(''), { finishFlush: constants.Z_SYNC_FLUSH });
    server.script = [head(200, { 'Content-Encoding': 'gzip' }), coded(zipped), { fin: true }];
    const { verdict, completion } = await ask();
    expect(verdict).toBe('complete');
    expect(completion?.choices[0]?.message.content).toMatch(/^word 0 .*word 199 $/);
  });

  test('keeps two calls on one index apart', async () => {
    server.script = faultScenarios.find(({ name }) => name === 'two calls on one index')?.acts ?? [];
    const { completion: folded } = await ask();
    expect(
      folded?.choices[0]?.message.tool_calls?.map((call) => ('function' in call ? call.function.arguments : '')),
    ).toEqual(['{"x":1}', '{"y":2}']);
  });

  test('a deadline is named, with its flag', async () => {
    server.script = [{ stall: true }];
    const result = await ask({ firstTokenTimeout: 0.25 });
    expect(result.error?.message).toBe(
      `no content within 0.25 s (the first-token deadline): POST ${server.baseUrl}/v1/chat/completions`,
    );
    expect(result.error?.hint).toContain('--first-token-timeout');
  });

  test('a page is named by its title, without any HTML', async () => {
    server.script = faultScenarios.find(({ name }) => name === '502 with a page')?.acts ?? [];
    const result = await ask();
    expect(result.error?.message).toBe(
      `something in front of the proxy could not reach it: 502 Bad Gateway (HTTP 502): POST ${server.baseUrl}/v1/chat/completions`,
    );
  });

  test('a redirect is named by its host, and nothing is sent there', async () => {
    const other = closing(await startFaultServer(streamed(...goodReply)));
    for (const status of [301, 302, 303, 307, 308]) {
      server.script = [head(status, { Location: `${other.baseUrl}/v1/chat/completions?token=hush` }), lastChunk];
      const { error: refused } = await ask();
      expect(refused?.code).toBe('redirect_refused');
      expect(refused?.message).toContain(other.baseUrl);
      expect(refused?.message).not.toContain('hush');
    }
    expect(other.connectionCount).toBe(0);
  });

  test('nothing that came out of all this holds the key or the prompt', () => {
    expect(seen.length).toBeGreaterThan(faultScenarios.length);
    const all = seen.join('\n');
    expect(all).not.toContain(canary);
    expect(all).not.toContain(canary.slice(3));
    expect(all).not.toContain('secret prompt');
  });

  test('a server that quotes the key and the prompt in its error is not repeated', async () => {
    const quote = `Authentication Error: got key ${canary} (Bearer ${canary}) for "a secret prompt that must not be shown"`;
    server.script = [
      head(400, { 'Content-Type': 'application/json', 'X-Litellm-Call-Id': canary }),
      coded(JSON.stringify({ error: { message: quote } })),
      lastChunk,
    ];
    const refused = await ask();
    server.script = streamed(...goodReply.slice(0, 1), errorFrame({ message: quote }));
    const broken = await ask();
    const all = everythingIn([refused.error, broken.error]) + JSON.stringify([refused, broken]);
    expect(all).toContain('Authentication Error: got key **** (Bearer ****)');
    expect(all).not.toContain(canary);
    expect(all).not.toContain('secret prompt');
  });
});
