import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  errorReply,
  type FakeUpstream,
  type RecordedRequest,
  type Responder,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/** Replies that programs use: JSON by a schema, the inside of a block, and what happens when a model nearly does it. */
let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** Answers prompts so, and all else as a proxy without a database does. */
function answering(reply: (request: RecordedRequest) => ReturnType<Responder>): void {
  const plain = upstream.fallback;
  upstream.fallback = (request) => (request.path.endsWith('/chat/completions') ? reply(request) : plain(request));
}

const person = 'name, age int';
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost: 0.25 };
const lastMessages = (): unknown => upstream.chatRequests.at(-1)?.body['messages'];

describe('a reply that nearly fits its schema', () => {
  test.each<[string, string, string]>([
    ['in a fence', '```json\n{"name":"Ann","age":3}\n```', 'the JSON of its fenced block'],
    [
      'in a fence with words around it',
      'Sure!\n```\n{"name":"Ann","age":3}\n```\nAnything else?',
      'the JSON of its fenced block',
    ],
    ['behind a thought', '<think>hm</think>{"name":"Ann","age":3}', 'the JSON behind <think>'],
  ])('%s is taken out, and the receipt says so', async (_name, text, note) => {
    upstream.reply(textReply(text));
    const { code, stdout, stderr } = await home.run(['--output-schema', person, 'who?']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"name":"Ann","age":3}\n' });
    expect(stderr).toContain(note);
    // The history has what came.
    expect((await home.run(['history', 'show'])).stdout).toContain(text.split('\n')[0]);
  });

  test('as JSON output it is what was taken, with its value', async () => {
    upstream.reply(textReply('```json\n{"name":"Ann","age":3}\n```'));
    const { stdout } = await home.run(['--output-format', 'json', '--output-schema', person, 'who?']);
    expect(JSON.parse(stdout)).toMatchObject({
      result: '{"name":"Ann","age":3}',
      result_json: { name: 'Ann', age: 3 },
      completion: { choices: [{ message: { content: '```json\n{"name":"Ann","age":3}\n```' } }] },
    });
  });

  test('two blocks are a mismatch that names them', async () => {
    upstream.reply(textReply('```json\n{"a":1}\n```\n```json\n{"b":2}\n```'));
    const { code, stdout, stderr } = await home.run(['--output-schema', person, 'who?']);
    expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
    expect(stderr).toContain('it has 2 blocks of JSON, and nothing says which: {"a":1} | {"b":2}');
  });

  test('a mismatch says where, by which rule, and what stood there, without keys or codes of a terminal', async () => {
    const key = `sk-${'a1b2'.repeat(8)}`;
    upstream.reply(textReply(JSON.stringify({ name: 'Ann', age: `\u001b]0;x\u0007 ${key}` })));
    const { code, stderr } = await home.run(['--output-schema', person, 'who?']);
    expect(code).toBe(9);
    expect(stderr).toContain('at /age: must be integer (type), and there stood "');
    expect(stderr).not.toContain(key);
    expect(stderr).not.toContain('\u001b]0');
  });
});

describe('what is no object', () => {
  test('goes out in one, and is taken out of it', async () => {
    const schema = { type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'integer' } } };
    writeFileSync(home.at('list.json'), JSON.stringify(schema));
    upstream.reply(textReply('{"value": [1, 12345678901234567890]}'));
    const { code, stdout } = await home.run(['--output-schema', 'list.json', 'numbers']);
    // As it stood there: a number that JavaScript can not hold too.
    expect({ code, stdout }).toEqual({ code: 0, stdout: '[1, 12345678901234567890]\n' });
    expect(upstream.chatRequests.at(-1)?.body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: {
        name: 'reply',
        strict: true,
        schema: {
          type: 'object',
          properties: { value: { type: 'array', items: { $ref: '#/$defs/n' } } },
          required: ['value'],
          additionalProperties: false,
          $defs: { n: { type: 'integer' } },
        },
      },
    });
    // A model that did not keep to it, but to the schema.
    upstream.reply(textReply('[1]'));
    expect(await home.run(['--output-schema', 'list.json', 'numbers'])).toMatchObject({ code: 0, stdout: '[1]\n' });
    upstream.reply(textReply('{"value": ["x"]}'));
    expect(await home.run(['--output-schema', 'list.json', 'numbers'])).toMatchObject({ code: 9, stdout: '' });
  });
});

describe('--schema-retries', () => {
  const wrong = () => textReply('{"name":"Ann","age":"three"}', { usage });
  const right = () => textReply('{"name":"Ann","age":3}', { usage });

  test('sends back what is wrong; stdout has the reply that fits alone, the history both, the figures both', async () => {
    upstream.reply(wrong(), right());
    const { code, stdout, stderr } = await home.run(['--output-schema', person, '--schema-retries', '2', 'who?']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"name":"Ann","age":3}\n' });
    expect(stderr).toContain('try 2 of 3');
    expect(lastMessages()).toMatchObject([
      { role: 'user', content: 'who?' },
      { role: 'assistant', content: '{"name":"Ann","age":"three"}' },
      { role: 'user', content: expect.stringContaining('at /age: must be integer') },
    ]);
    expect(stderr).toContain('20 tokens in · 10 tokens out · $0.50');
    const shown = JSON.parse((await home.run(['history', 'show', '--format', 'json'])).stdout) as { turns: unknown[] };
    expect(shown.turns).toHaveLength(2);
  });

  test.each([[['--ephemeral']], [['-c', '--read-only']]])('works with %p, where no turn is kept', async (flags) => {
    upstream.reply(textReply('before'));
    await home.run(['earlier']);
    upstream.reply(wrong(), right());
    const { code, stdout } = await home.run([...flags, '--output-schema', person, '--schema-retries', '1', 'who?']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"name":"Ann","age":3}\n' });
    const roles = (lastMessages() as { role: string }[]).map(({ role }) => role).join(' ');
    expect(roles).toBe(`${flags.includes('-c') ? 'user assistant ' : ''}user assistant user`);
  });

  test('ends after so many, with the last mismatch, and everything kept', async () => {
    upstream.reply(wrong(), wrong(), wrong());
    const { code, stdout } = await home.run(['--output-schema', person, '--schema-retries', '1', 'who?']);
    expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('asks no more once --max-cost is reached', async () => {
    const priced = { model_name: 'test-model', model_info: { input_cost_per_token: 1, output_cost_per_token: 1 } };
    answering((request) => wrong()(request));
    const others = upstream.fallback;
    upstream.fallback = (request) => (request.path === '/model/info' ? { body: { data: [priced] } } : others(request));
    const args = ['--output-schema', person, '--schema-retries', '5', '--max-cost', '0.3', 'who?'];
    expect(await home.run(args)).toMatchObject({ code: 9, stdout: '' });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('does not complain about what was cut, refused or failed: that has its own exit code', async () => {
    upstream.reply({ steps: [{ data: textChunk('{"name":') }] });
    expect(await home.run(['--output-schema', person, '--schema-retries', '3', 'who?'])).toMatchObject({ code: 3 });
    upstream.reply(wrong(), errorReply(401, 'no more'));
    expect(await home.run(['--output-schema', person, '--schema-retries', '3', 'who?'])).toMatchObject({
      code: 4,
      stdout: '',
    });
    expect(upstream.chatRequests).toHaveLength(3);
  });

  test('tells of it in events, once begun', async () => {
    upstream.reply(wrong(), right());
    const args = ['--output-format', 'stream-json', '--output-schema', person, '--schema-retries', '1', 'who?'];
    const { stdout } = await home.run(args);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const types = events.map(({ type }) => type);
    expect(types.filter((type, at) => type !== types[at - 1])).toEqual([
      'init',
      'message',
      'retry',
      'message',
      'result',
    ]);
    expect(events.find(({ type }) => type === 'retry')).toMatchObject({
      attempt: 1,
      max_retries: 1,
      error: { code: 'schema_mismatch' },
    });
    expect(events.at(-1)).toMatchObject({ result: '{"name":"Ann","age":3}', total_cost_usd: 0.5 });
  });

  test.each([
    [['--schema-retries', '1', 'hi']],
    [['--schema-retries', '1', '-x', '--record', 'x.rec', 'hi']],
    [['--schema-retries', '-1', '-x', 'hi']],
  ])('%p is exit 2', async (args) => {
    expect(await home.run(args)).toMatchObject({ code: 2, stdout: '' });
    expect(upstream.chatRequests).toEqual([]);
  });
});

describe('--extract', () => {
  const text = 'Look:\n\n```sh\nls\n```\n\n```python\nprint(1)\n```\n';

  test('prints the inside of the first block and nothing else', async () => {
    upstream.reply(textReply(text), textReply(text), textReply(text));
    expect(await home.run(['-x', 'code'])).toMatchObject({ code: 0, stdout: 'ls\n' });
    expect(await home.run(['--extract-lang', 'python', 'code'])).toMatchObject({ code: 0, stdout: 'print(1)\n' });
    expect((await home.run(['-x', '-o', 'out.sh', 'code'])).code).toBe(0);
    expect(readFileSync(home.at('out.sh'), 'utf8')).toBe('ls\n');
  });

  test('none is exit 9, nothing on stdout and no file', async () => {
    upstream.reply(textReply('no code'), textReply(text));
    const { code, stdout, stderr } = await home.run(['-x', '-o', 'out.sh', 'code']);
    expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
    expect(stderr).toContain('no fenced block to extract');
    expect(() => readFileSync(home.at('out.sh'))).toThrow('ENOENT');
    const other = await home.run(['--extract-lang', 'rust', 'code']);
    expect(other).toMatchObject({ code: 9, stderr: expect.stringContaining('only of sh, python') });
  });

  test('a cut reply is cut, whatever it has', async () => {
    upstream.reply({ steps: [{ data: textChunk('```\nx\n```\n') }] });
    expect(await home.run(['-x', 'code'])).toMatchObject({ code: 3, stdout: '' });
  });

  test('asks again with --schema-retries', async () => {
    upstream.reply(textReply('I would rather not.'), textReply('```\nx\n```'));
    expect(await home.run(['-x', '--schema-retries', '1', 'code'])).toMatchObject({ code: 0, stdout: 'x\n' });
    expect(lastMessages()).toMatchObject([{}, {}, { content: expect.stringContaining('no fenced code block') }]);
  });
});

describe('many', () => {
  test('a batch takes, asks again and counts both', async () => {
    const replies: Record<string, string[]> = {
      a: ['{"name":"A","age":1}'],
      b: ['```json\n{"name":"B","age":2}\n```'],
      c: ['no', '{"name":"C","age":3}'],
      d: ['no', 'no', 'no'],
    };
    answering((request) => {
      const [first] = request.body['messages'] as { content: string }[];
      return textReply(replies[first?.content ?? '']?.shift() ?? '', { usage })(request);
    });
    writeFileSync(home.at('in.txt'), 'a\nb\nc\nd\n');
    const { code } = await home.run([
      'batch',
      'in.txt',
      '-o',
      'out.jsonl',
      '--output-schema',
      person,
      '--schema-retries',
      '1',
      '-q',
    ]);
    expect(code).toBe(11);
    const lines = readFileSync(home.at('out.jsonl'), 'utf8').trimEnd().split('\n');
    const results = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .toSorted((x, y) => Number(x['line']) - Number(y['line']));
    expect(results).toMatchObject([
      { result_json: { name: 'A', age: 1 }, total_cost_usd: 0.25, exit_code: 0 },
      { result: '{"name":"B","age":2}', result_json: { name: 'B', age: 2 }, exit_code: 0 },
      { result_json: { name: 'C', age: 3 }, total_cost_usd: 0.5, usage: { input_tokens: 20 }, exit_code: 0 },
      { result: 'no', result_json: null, total_cost_usd: 0.5, exit_code: 9 },
    ]);
  });

  test('a batch extracts', async () => {
    answering(textReply('```\nx\n```'));
    writeFileSync(home.at('in.txt'), 'a\n');
    expect((await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '-x', '-q'])).code).toBe(0);
    expect(JSON.parse(readFileSync(home.at('out.jsonl'), 'utf8'))).toMatchObject({ result: 'x\n', result_json: null });
  });

  test('a comparison says which model did it', async () => {
    answering((request) =>
      textReply(request.body['model'] === 'a' ? '```json\n{"name":"A","age":1}\n```' : 'no')(request),
    );
    const { code, stdout } = await home.run(
      `compare -m a -m b --no-stdin --output-format json --output-schema`.split(' ').concat(person, 'who?'),
    );
    expect(code).toBe(11);
    const results = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const ofModels = results.filter(({ model }) => model !== undefined);
    expect(ofModels.toSorted((x, y) => String(x['model']).localeCompare(String(y['model'])))).toMatchObject([
      { model: 'a', result_json: { name: 'A', age: 1 }, exit_code: 0 },
      { model: 'b', result_json: null, exit_code: 9 },
    ]);
  });
});
