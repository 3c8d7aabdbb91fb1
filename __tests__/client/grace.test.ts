import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { chunk, defaultUsage, finishChunk, textChunk } from '../support/fake-upstream.ts';
import { event, head, startFaultServer, type Act, type FaultServer } from '../support/fault-server.ts';

/** A reply that is finished while its connection stays open. No deadline but the grace can end these within the test. */
let server: FaultServer;
let client: LiteLLMClient;

beforeEach(async () => {
  server = await startFaultServer();
  client = new LiteLLMClient({ baseUrl: server.baseUrl, retries: 0, firstTokenTimeout: 600, idleTimeout: 600 });
});

afterEach(async () => {
  await client.close();
  await server.close();
});

const opening: Act[] = [head(200, { Connection: 'close' }), event(textChunk('Hello'))];
const finish = event(finishChunk());
const usage = event(chunk([], { usage: defaultUsage }));

async function ask(acts: readonly Act[], isUsageAsked = false) {
  server.script = [...opening, ...acts];
  const { completion, verdict, error } = await client
    .stream({ model: 'fake', messages: 'x', ...(isUsageAsked && { stream_options: { include_usage: true } }) })
    .result();
  return { verdict, code: error?.code ?? null, content: completion?.choices[0]?.message.content };
}

const whole = { verdict: 'complete', code: null, content: 'Hello' };

describe('after the finish_reason', () => {
  test('a silent connection is waited for no longer than the grace', async () => {
    expect(await ask([finish, { stall: true }])).toEqual(whole);
  });

  test('signs of life do not prolong it', async () => {
    const pings = Array.from({ length: 3000 }, (_, at): Act[] => [
      at % 2 === 0 ? ': ping\n\n' : 'event: ping\ndata: {}\n\n',
      { wait: 100 },
    ]).flat();
    expect(await ask([finish, ...pings])).toEqual(whole);
  });

  test('an error frame within it counts', async () => {
    const frame = event({ error: { message: 'too late', type: null, param: null, code: '500' } });
    expect(await ask([finish, { wait: 200 }, frame, { stall: true }])).toMatchObject({
      verdict: 'error',
      code: 'stream_error',
    });
  });

  test('content within it takes the end back', async () => {
    const more = event(textChunk(' again'));
    expect(await ask([finish, { wait: 200 }, more, { fin: true }])).toMatchObject({
      verdict: 'cut',
      content: 'Hello again',
    });
  });

  test('the usage that was asked for ends it before its time', async () => {
    const order: string[] = [];
    const other = await startFaultServer([...opening, finish, { stall: true }]);
    const waiting = new LiteLLMClient({ baseUrl: other.baseUrl, retries: 0 });
    try {
      const silent = waiting
        .stream({ model: 'fake', messages: 'x' })
        .result()
        .then(() => order.push('silent'));
      const counted = ask([finish, usage, { stall: true }], true).then((outcome) => {
        order.push('usage');
        return outcome;
      });
      expect(await counted).toEqual(whole);
      await silent;
      expect(order).toEqual(['usage', 'silent']);
    } finally {
      await waiting.close();
      await other.close();
    }
  });
});
