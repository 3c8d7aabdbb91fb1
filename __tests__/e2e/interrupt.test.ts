import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

// Computes for ever on the main thread, once the thread that watches for interrupts is up: what a fault of cllm's, or a
// library's, would be.
const endless = `
const threads = require('node:worker_threads');
if (threads.isMainThread) {
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.once('online', () => setTimeout(() => {
        require('node:fs').writeSync(2, 'it computes');
        for (;;);
      }, 300));
    }
  };
  setInterval(() => undefined, 1000);
}`;

let upstream: FakeUpstream;
let home: CliHome;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = () => ({ steps: [{ stall: true }] });
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  writeFileSync(home.at('endless.cjs'), endless);
  writeFileSync(home.at('prompts.txt'), 'one\ntwo\n');
});

afterAll(async () => {
  home.close();
  await upstream.close();
});

describe('while the process computes without an end', () => {
  test.each([
    ['ask', ['hi']],
    ['chat', ['chat']],
    ['batch', ['batch', 'prompts.txt', '-o', 'results.jsonl']],
    ['compare', ['compare', 'hi', '-m', 'one', '-m', 'two']],
    ['history', ['history', 'list']],
    ['history export', ['history', 'export']],
    ['recover', ['recover']],
    ['replay', ['replay', 'none.rec']],
    ['models', ['models']],
    ['whoami', ['whoami']],
    ['doctor', ['doctor']],
    ['login', ['login']],
    ['config', ['config', 'list']],
    ['proxy', ['proxy', 'status']],
    ['init', ['init']],
    ['completion', ['completion', 'bash']],
  ])('%s is ended by a second Ctrl-C', async (_name, args) => {
    const run = home.start(args, {
      env: { NODE_OPTIONS: `--require ${home.at('endless.cjs')}` },
      isCutShort: true,
    });
    await run.untilStderr('it computes');
    run.process.kill('SIGINT');
    // The first is still on its way to the thread that computes: it does not end the process by force.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(run.process.signalCode).toBeNull();
    const secondAt = performance.now();
    run.process.kill('SIGINT');
    expect(await run.result).toMatchObject({ code: null, signal: 'SIGINT' });
    expect(performance.now() - secondAt).toBeLessThan(1000);
  });
});

test('--timeout ends a reply whose chunks come faster than they are parsed', async () => {
  const events = 'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'.repeat(1000);
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const pour = () => {
      while (!response.destroyed && response.write(events));
    };
    response.on('drain', pour);
    pour();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const args = ['hi', '--base-url', `http://127.0.0.1:${port}`, '--timeout', '1', '--retries', '0'];
    const { code, stderr } = await home.run([...args, '--max-reply-bytes', '100000000000']);
    expect({ code, stderr }).toEqual({ code: 124, stderr: expect.stringContaining('1 s') });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
