import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { type Server, startRedis } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { wayTo } from '../support/cut-off.ts';
import { startWorker } from '../support/queue.ts';
import { CliHome } from '../support/run-cli.ts';

let redis: Server;
let upstream: FakeUpstream;
let home: CliHome;
let database = 0;

const canary = 'sk-canary-5f1e0c7b9a2d4468';

function input(...prompts: string[]): string {
  writeFileSync(
    home.at('in.jsonl'),
    prompts.map((prompt, n) => `${JSON.stringify({ custom_id: `i${n}`, prompt })}\n`).join(''),
  );
  return home.at('in.jsonl');
}

const rows = (): Record<string, any>[] =>
  readFileSync(home.at('out.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, any>);

/** A connection to Redis that speaks as a person would. */
async function speak(...lines: string[]): Promise<{ socket: Socket; heard: { text: string } }> {
  const socket = connect(redis.port, '127.0.0.1');
  const heard = { text: '' };
  socket.setEncoding('latin1').on('data', (text: string) => (heard.text += text));
  await once(socket, 'connect');
  for (const line of lines) socket.write(`${line}\r\n`);
  while ((heard.text.match(/\r\n/g) ?? []).length < lines.length) await once(socket, 'data');
  return { socket, heard };
}

describeWithPrograms('redis-server')('cllm batch with a queue', () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.close();
  });
  beforeEach(async () => {
    upstream = await startFakeUpstream();
    upstream.fallback = (request) => textReply(`re: ${lastText(request)}`)(request);
    database += 1;
    home = new CliHome({
      LITELLM_PROXY_URL: upstream.baseUrl,
      LITELLM_PROXY_API_KEY: canary,
      CLLM_QUEUE_URL: `${redis.baseUrl}/${database}`,
    });
  });
  afterEach(async () => {
    home.close();
    await upstream.close();
  });

  test('nothing that ever reaches Redis holds a key or an address, not even where a proxy repeats them', async () => {
    const { socket, heard } = await speak('MONITOR');
    upstream.reply(() => ({ status: 400, body: { error: { message: `your key ${canary} may not`, code: '400' } } }));
    await startWorker(home, ['--concurrency', '2'], { LITELLM_PROXY_API_KEY: canary });
    const run = await home.run(['batch', input('one', 'two'), '-o', home.at('out.jsonl'), '--tag', 'mine']);
    expect(run.code).toBe(11);
    while (!heard.text.includes('"xtrim"') && !heard.text.includes('"XTRIM"')) await once(socket, 'data');
    socket.destroy();
    // It did see what went through.
    expect(heard.text).toContain('re: ');
    expect(heard.text).not.toContain(canary);
    expect(heard.text).not.toContain('canary');
    const job = /(\{\\"v\\":1,\\"try[^\r\n]*)/.exec(heard.text)?.[1] ?? '';
    expect(job).toContain('mine');
    expect(job).not.toContain('http');
    expect(job).not.toContain('uthorization');
  });

  test('a worker asks with its own key, as one body, with the tags of whoever submitted and its own name', async () => {
    await startWorker(home, [], { LITELLM_PROXY_API_KEY: 'sk-of-the-worker' });
    const run = await home.run([
      'batch',
      input('one'),
      '-o',
      home.at('out.jsonl'),
      '--tag',
      'mine',
      '--metadata',
      'a=b',
    ]);
    expect(run.code).toBe(0);
    const [request] = upstream.chatRequests;
    expect(request?.headers['authorization']).toBe('Bearer sk-of-the-worker');
    expect(request?.headers['x-litellm-tags']).toBe('mine');
    const metadata = JSON.parse(String(request?.headers['x-litellm-spend-logs-metadata'])) as Record<string, unknown>;
    expect(metadata).toMatchObject({ a: 'b', worker: expect.any(String) });
    expect(request?.body.stream).toBe(false);
    expect(rows()).toMatchObject([{ result: 're: one', session_id: expect.any(String) }]);
  });

  test('after a reply that something on the way cut, replies are streamed, and nothing fails', async () => {
    upstream.fallback = (request) =>
      request.body.stream === true
        ? textReply(`re: ${lastText(request)}`)(request)
        : { steps: [{ raw: '{"id"' }, { reset: true }] };
    const worker = await startWorker(home, ['--concurrency', '1']);
    expect((await home.run(['batch', input('one', 'two'), '-o', home.at('out.jsonl')])).code).toBe(0);
    expect(rows().map(({ result }) => result)).toEqual(['re: one', 're: two']);
    expect(upstream.chatRequests.map(({ body }) => body.stream)).toEqual([false, true, true]);
    expect(worker.output.stderr.match(/streamed from here on/g)).toHaveLength(1);
  });

  test('status shows workers and what waits, as JSON too, and changes nothing', async () => {
    expect(JSON.parse((await home.run(['batch', 'status', '--json'])).stdout)).toMatchObject({
      name: 'batch',
      waiting: 0,
      workers: [],
      runs: [],
      stuck: [],
    });
    const worker = await startWorker(home, ['--concurrency', '3']);
    const { stdout } = await home.run(['batch', 'status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      workers: [{ pid: worker.pid, concurrency: 3, active: 0, is_leaving: false }],
    });
    expect((await home.run(['batch', 'status'])).stdout).toMatch(/0 waiting[^]*0 of 3/);
  });

  test('what others wrote into the queue stops neither a batch nor status', async () => {
    await startWorker(home, ['--concurrency', '2']);
    const notice = { v: 1, id: 'x', host: 'evil', pid: 1, version: '1', concurrency: 0, active: 0, started_at: 'x' };
    const flags = { is_leaving: false, is_too_old: false, is_streaming: false };
    const endless = JSON.stringify({ ...notice, done: 0, ...flags }).replace('"done":0', '"done":1e999');
    const { socket } = await speak(
      `select ${database}`,
      'hset cllm:batch:torn name ask data {no-json opts {} timestamp 1',
      'lpush cllm:batch:wait torn',
      'lpush cllm:batch:wait nobody',
      `set cllm:batch:notice:worker:x '${endless}'`,
      'sadd cllm:batch:notices:worker x __proto__',
    );
    const batch = await home.run(['batch', input('one', 'two'), '-o', 'out.jsonl', '-m', 'm']);
    expect([batch.code, rows().map(({ result }) => result)]).toEqual([0, ['re: one', 're: two']]);
    const { code, stdout } = await home.run(['batch', 'status', '--json']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { workers: [{ concurrency: 2 }] }]);
    socket.destroy();
  });

  test('a worker whose queue is away when it is to end ends all the same', async () => {
    upstream.fallback = (request) => ({ ...textReply('late')(request), gate: new Promise(() => {}) });
    const way = await wayTo(redis.port);
    const env = { CLLM_QUEUE_URL: `redis://127.0.0.1:${way.port}/${database}` };
    const worker = await startWorker(home, ['--grace', '0'], env);
    const batch = home.start(['batch', input('one'), '-o', home.at('out.jsonl')]);
    while (upstream.chatRequests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    way.cut();
    await worker.untilStderr('out of reach');
    worker.process.kill('SIGTERM');
    expect((await worker.result).code).toBe(143);
    batch.process.kill('SIGINT');
    expect((await batch.result).code).toBe(130);
    await way.close();
  }, 60_000);

  test('a Redis that may forget is told of, once and in our words, and one that is never full is not', async () => {
    const { socket } = await speak('config set maxmemory 100mb', 'config set maxmemory-policy allkeys-lru');
    const full = await home.run(['batch', 'status']);
    socket.write('config set maxmemory 0\r\n');
    await once(socket, 'data');
    const endless = await home.run(['batch', 'status']);
    socket.write('config set maxmemory-policy noeviction\r\n');
    await once(socket, 'data');
    socket.destroy();
    expect([full.code, full.stderr]).toEqual([0, expect.stringMatching(/^cllm: the Redis at .*\(allkeys-lru\).*\n$/)]);
    expect([endless.code, endless.stderr]).toEqual([0, '']);
  });

  test('SIGTERM lets a worker end what it asks for, with 0; a second batch finds no worker and says so with 5', async () => {
    let answer = (): void => {};
    const gate = new Promise<void>((resolve) => (answer = resolve));
    upstream.fallback = (request) => ({ ...textReply(`re: ${lastText(request)}`)(request), gate });
    const worker = await startWorker(home);
    const batch = home.start(['batch', input('one'), '-o', home.at('out.jsonl')]);
    while (upstream.chatRequests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    worker.process.kill('SIGTERM');
    answer();
    expect((await worker.result).code).toBe(0);
    expect((await batch.result).code).toBe(0);
    const late = await home.run(['batch', input('one', 'two'), '-o', home.at('late.jsonl'), '--worker-timeout', '1']);
    expect(late.code).toBe(5);
    expect(late.stderr).toMatch(/no worker is at the queue redis:\/\/127.*\n.*cllm batch worker/);
  });

  test('the rule of docs/queue.md lets a user do what a queue needs, and nothing to the keys of others', async () => {
    const page = readFileSync('docs/queue.md', 'utf8');
    const rule = /^ {4}(ACL SETUSER .*)$/m.exec(page)?.[1] ?? '';
    const { socket, heard } = await speak(rule.replace('PASSWORD', 'Long%enough-0815'));
    socket.destroy();
    expect(heard.text).toBe('+OK\r\n');
    const url = redis.baseUrl.replace('://', '://cllm:Long%25enough-0815@');
    const env = { CLLM_QUEUE_URL: `${url}/${database}` };
    const worker = await startWorker(home, ['--drain'], env);
    const run = await home.run(['batch', input('one', 'two'), '-o', home.at('out.jsonl')], { env });
    expect(run).toMatchObject({ code: 0 });
    expect((await worker.result).code).toBe(0);
    expect(worker.output.stderr).not.toMatch(/NOPERM|no permissions/i);
    const other = await home.run(['batch', 'status', '--queue-name', 'x'], { env });
    expect(other.code).toBe(0);
    const { socket: own, heard: said } = await speak(
      'AUTH cllm Long%enough-0815',
      'SET other 1',
      'FLUSHALL',
      'CONFIG GET *',
    );
    own.destroy();
    expect(said.text.match(/NOPERM/g)).toHaveLength(3);
  });

  test('a password is in no message, and what Redis says to a wrong one is', async () => {
    const url = redis.baseUrl.replace('://', '://cllm:hunter2-hunter2@');
    const { code, stderr } = await home.run(['batch', 'status', '--queue', url]);
    expect(code).toBe(5);
    expect(stderr).toMatch(/WRONGPASS|can not be used/);
    expect(stderr).not.toContain('hunter2');
  });

  test.each([
    [['--mcp', 'x'], /--mcp can not go into a queue/],
    [['--header', 'a: b', '--end-user', 'me'], /--header, --end-user can not/],
    [['--queue', 'redis://queue.example.com'], /not encrypted/],
    [['--queue', 'http://queue.example.com'], /a queue is at redis:/],
    [['--queue-name', 'a:b'], /name of a queue/],
  ])('%j is a usage error before anything is written', async (flags, message) => {
    const { code, stderr } = await home.run(['batch', input('one'), '-o', home.at('out.jsonl'), ...flags]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(() => rows()).toThrow('ENOENT');
  });
});

test('a worker wants a queue, and one that is not there is exit 5 with what to do', async () => {
  home = new CliHome();
  const none = await home.run(['batch', 'worker']);
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('CLLM_QUEUE_URL')]);
  const { code, stderr } = await home.run(['batch', 'status', '--queue', 'redis://127.0.0.1:1']);
  expect([code, stderr]).toEqual([
    5,
    expect.stringMatching(/redis:\/\/127\.0\.0\.1:1 can not be used \(ECONNREFUSED\)/),
  ]);
  home.close();
});
