import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { inColumns } from '../../src/cli/compare-columns.ts';
import { errorReply, type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => {
    const model = request.body.model ?? '';
    if (model === 'broken') return errorReply(400, 'no');
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: 0.01 };
    return { ...textReply(`I am ${model}.`, { usage })(request), delay: model === 'slow' ? 150 : 0 };
  };
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

test('compare asks every model at once and prints each reply under its model, with cost and first-token time', async () => {
  const { code, stdout } = await home.run(['compare', '-m', 'slow', '-m', 'quick', 'who', 'are you?'], {
    stdin: 'a file',
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^== slow · \$0\.0100 · first token \S+ s · \S+ s in all · 2 tokens\n\nI am slow\.\n\n== quick · /,
  );
  expect(new Set(upstream.chatRequests.map(({ body }) => body.model))).toEqual(new Set(['quick', 'slow']));
  expect(upstream.chatRequests[0]?.body.messages).toEqual(upstream.chatRequests[1]?.body.messages);
  expect(upstream.chatRequests[0]?.body.messages?.[0]?.content).toContain('a file');
});

test('compare gives one result a line in JSON, the quickest first', async () => {
  const { code, stdout } = await home.run(['compare', '-m', 'slow', '-m', 'quick', '--output-format', 'json', 'who?']);
  expect(code).toBe(0);
  const results = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(results).toMatchObject([
    {
      type: 'result',
      model: 'quick',
      is_error: false,
      result: 'I am quick.',
      total_cost_usd: 0.01,
      ttft_ms: expect.any(Number),
    },
    { type: 'result', model: 'slow', result: 'I am slow.' },
  ]);
});

test('compare ends with 11 when some models fail, and with their error when all do', async () => {
  const some = await home.run(['compare', '-m', 'broken', '-m', 'quick', 'hi']);
  expect(some.code).toBe(11);
  expect(some.stdout).toContain('== broken · no reply: ');
  expect(some.stdout).toContain('I am quick.');
  expect((await home.run(['compare', '-m', 'broken', '-m', 'broken', 'hi'])).code).toBe(1);
});

test('compare wants two models', async () => {
  const { code, stderr } = await home.run(['compare', '-m', 'one', 'hi']);
  expect(code).toBe(2);
  expect(stderr).toContain('two models or more');
});

test('compare keeps nothing in the history', async () => {
  await home.run(['compare', '-m', 'a', '-m', 'b', 'hi']);
  expect((await home.run(['history', 'list'])).stdout).toBe('');
});

const plain = { heading: (text: string) => text, footer: (text: string) => text };

test('columns stand beside each other, wrapped, with escapes for what would drive a terminal', () => {
  const text = inColumns(
    [
      { heading: 'one', text: 'a reply that is longer than its column', footer: '$1' },
      { heading: 'two', text: '日本語\u001b[2J', footer: '$2' },
    ],
    60,
    plain,
  );
  expect(text).toBe(
    [
      'one                            two',
      '',
      'a reply that is longer than    日本語\\x1b[2J',
      'its column',
      '',
      '$1                             $2',
      '',
    ].join('\n'),
  );
});

test('columns stand below each other where there is no room', () => {
  const columns = ['one', 'two', 'three'].map((heading) => ({ heading, text: 'text', footer: '$' }));
  expect(inColumns(columns, 40, plain)).toBe('one\n\ntext\n\n$\n\ntwo\n\ntext\n\n$\n\nthree\n\ntext\n\n$\n');
});
