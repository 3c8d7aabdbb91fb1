import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, type RecordedRequest, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;
/** What the proxy answers to `/utils/token_counter`. */
let counter: (request: RecordedRequest) => { status?: number; body: unknown };

const words = (request: RecordedRequest): number => JSON.stringify(request.body.messages).split(/\s+/).length;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  const others = upstream.fallback;
  counter = (request) => ({
    body: {
      total_tokens: words(request),
      request_model: 'fake',
      model_used: 'gpt-4o',
      tokenizer_type: 'openai_tokenizer',
    },
  });
  upstream.fallback = (request) => (request.path === '/utils/token_counter' ? counter(request) : others(request));
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, CLLM_MODEL: 'fake' });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const written = (name: string, text: string): string => {
  const file = path.join(home.directory, name);
  writeFileSync(file, text);
  return file;
};
const historyFile = (): string => path.join(home.directory, 'cllm', 'history.db');
const dry = async (...args: string[]): Promise<Record<string, any>> =>
  JSON.parse((await home.run(['--dry-run', '--output-format', 'json', ...args])).stdout);

describe('--dry-run', () => {
  test('prints the request as it goes out, its tokens, its share of the context and the price, and sends no prompt', async () => {
    const args = [
      '-s',
      'be brief',
      '--max-tokens',
      '100',
      '--header',
      'x-api-key: top-secret',
      'my key is sk-abcdefgh1234',
    ];
    const { code, stdout } = await home.run(['--dry-run', ...args]);
    expect(code).toBe(0);
    expect(stdout).toContain(`POST ${upstream.baseUrl}/v1/chat/completions\n`);
    expect(stdout).toMatch(/^authorization: \*\*\*\*$/m);
    expect(stdout).not.toMatch(/top-secret|sk-test-key|abcdefgh1234/);
    expect(stdout).toMatch(
      /^tokens {3}5\ncontext {2}<1 % of 128000\nprice {4}\$\S+ to \$\S+ \(no output, 100 tokens of it\)$/m,
    );
    expect(upstream.chatRequests).toEqual([]);
    expect(existsSync(historyFile())).toBe(false);
    const { request, ...figures } = await dry(...args);
    expect(figures).toMatchObject({
      type: 'dry_run',
      input_tokens: 5,
      input_tokens_estimated: false,
      max_input_tokens: 128_000,
      cost_usd: { low: expect.closeTo(5e-6, 12), high: expect.closeTo(5e-6 + 2e-4, 12) },
      output_schema: null,
      exit_code: 0,
    });
    await home.run(args);
    const [sent] = upstream.chatRequests;
    const masked = {
      ...sent?.body,
      messages: [sent?.body.messages?.[0], { role: 'user', content: 'my key is sk-****' }],
    };
    expect(request.body).toEqual(masked);
    expect(request.headers['user-agent']).toBe(sent?.headers['user-agent']);
  });

  test('lets no word of the proxy make a line of its own', async () => {
    counter = () => ({ body: { total_tokens: 3, model_used: 'x\nprice    $0.00\u001b[2J', tokenizer_type: null } });
    const { stdout } = await home.run(['--dry-run', 'hi']);
    expect(stdout).toContain('tokenizer of x price $0.00\\x1b[2J,');
    expect(stdout.match(/^price/gm)).toHaveLength(1);
  });

  test('shows the context of a conversation, and adds nothing to it', async () => {
    await home.run(['-C', 'talk', 'first']);
    const before = (await home.run(['history', 'show', 'talk', '--format', 'json'])).stdout;
    const { request } = await dry('-C', 'talk', 'second');
    expect(request.body.messages.map(({ content }: { content: string }) => content)).toEqual([
      'first',
      'Hello.',
      'second',
    ]);
    expect((await dry('-c', 'second'))['request'].body.messages).toHaveLength(3);
    expect((await dry('-C', 'another', 'x'))['request'].body.messages).toHaveLength(1);
    expect((await home.run(['history', 'show', 'talk', '--format', 'json'])).stdout).toBe(before);
    expect((await home.run(['history', 'show', 'another'])).code).not.toBe(0);
  });

  test('says without a proxy why the tokens are unknown, and ends in 0', async () => {
    const { code, stdout } = await home.run(['--dry-run', 'hi'], { env: { LITELLM_PROXY_URL: 'http://127.0.0.1:9' } });
    expect(code).toBe(0);
    expect(stdout).toContain('"content": "hi"');
    expect(stdout).toMatch(/^tokens {3}unknown \(the proxy could not be asked: nothing listens on .*\)$/m);
  });

  test.each([
    ['an old proxy', 404, { detail: 'Not Found' }],
    ['one whose key has no right', 403, { error: { message: 'not allowed', type: 'auth_error', code: '403' } }],
    ['one that can not count what is in it', 500, { error: { message: 'Unsupported type', code: '500' } }],
    ['one that answers with something else', 200, { total_tokens: -1 }],
  ])('of %s the figure is a guess, and says why', async (_name, status, body) => {
    counter = () => ({ status, body });
    expect(await dry('a'.repeat(400))).toMatchObject({
      input_tokens: 104,
      input_tokens_estimated: true,
      input_tokens_note: expect.stringContaining('the proxy does not count ('),
      exit_code: 0,
    });
    expect((await home.run(['--dry-run', 'a'.repeat(400)])).stdout).toMatch(
      /^tokens {3}~104 \(the proxy does not count/m,
    );
  });

  test.each([
    ['claude-sonnet-4-6', 'huggingface_tokenizer', 'a tokenizer of older models'],
    ['gemini-2.5-flash', 'openai_tokenizer', "counts with one of OpenAI's"],
    ['gpt-oss-120b', 'openai_tokenizer', "counts with one of OpenAI's"],
  ])('the tokenizer of another model than %s is a guess', async (used, type, why) => {
    counter = () => ({ body: { total_tokens: 7, model_used: used, tokenizer_type: type } });
    expect(await dry('hi')).toMatchObject({
      input_tokens: 7,
      input_tokens_estimated: true,
      input_tokens_note: expect.stringContaining(why),
    });
  });

  test('says whether a schema goes out strict, and where and why it does not', async () => {
    const strict = (await dry('--output-schema', 'name, age int', 'hi'))['output_schema'];
    expect(strict).toEqual({ strict: true, at: null, why: null });
    const open = '{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}';
    const { output_schema: loose, request } = await dry('--output-schema', open, 'hi');
    expect(loose).toEqual({ strict: false, at: '/properties/a', why: expect.stringContaining('additionalProperties') });
    expect(request.body.response_format.json_schema.strict).toBeUndefined();
    const { stdout } = await home.run(['--dry-run', '--output-schema', open, 'hi']);
    expect(stdout).toMatch(/^schema {3}not strict: at \/properties\/a, the object does not say/m);
  });

  test('compare shows the figures of each model', async () => {
    const args = ['compare', '--dry-run', '-m', 'fake', '-m', 'other', 'hi'];
    const { code, stdout } = await home.run(args);
    expect([code, stdout.match(/"content": "hi"/g)?.length]).toEqual([0, 1]);
    expect(stdout).toMatch(/== fake\ntokens {3}1\n[^]*== other\ntokens {3}1\ncontext {2}unknown\nprice {4}unknown\n$/);
    const json = (await home.run([...args, '--output-format', 'json'])).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line).model)).toEqual(['fake', 'other']);
    expect(upstream.chatRequests).toEqual([]);
  });
});

describe('batch --dry-run', () => {
  const totals = async (
    file: string,
    ...args: string[]
  ): Promise<{ code: number | null; object: Record<string, any> }> => {
    const { code, stdout } = await home.run(['batch', file, '--dry-run', '--output-format', 'json', ...args]);
    return { code, object: JSON.parse(stdout) };
  };

  test('a few lines are counted each, and added up', async () => {
    const { code, object } = await totals(written('p.txt', 'one two\nthree\n\nfour five six\n'), '--max-tokens', '10');
    expect([code, object['lines']]).toEqual([0, 3]);
    expect(object['models']).toEqual([
      expect.objectContaining({
        model: 'fake',
        lines: 3,
        input_tokens: 6,
        input_tokens_estimated: false,
        counted_lines: 3,
        longest: { line: 4, input_tokens: 3, context_share: 3 / 128_000 },
        max_output_tokens: 30,
        cost_usd: { low: expect.closeTo(6e-6, 12), high: expect.closeTo(66e-6, 12) },
      }),
    ]);
    expect(upstream.chatRequests).toEqual([]);
  });

  test('of many a sample is counted, and it says so', async () => {
    const lines = Array.from({ length: 3000 }, (_, at) => Array.from({ length: (at % 7) + 1 }, () => 'word').join(' '));
    counter = (request) => ({
      body: { total_tokens: String(request.body.messages?.[0]?.content).length, model_used: 'gpt-4o' },
    });
    const { object } = await totals(written('p.txt', lines.join('\n')));
    const [sum] = object['models'];
    const all = lines.join('').length;
    expect(sum).toMatchObject({ lines: 3000, input_tokens: all, input_tokens_estimated: true });
    expect(sum.input_tokens_note).toMatch(/^\d+ of 3000 lines were counted$/);
    expect(upstream.requests.filter(({ path: asked }) => asked === '/utils/token_counter').length).toBeLessThan(25);
    const { stdout } = await home.run(['batch', '-', '--dry-run'], { stdin: lines.join('\n') });
    expect(stdout).toMatch(new RegExp(`tokens {3}~${all} \\(\\d+ of 3000 lines were counted\\)`));
  });

  test('each model has its sum, and a line that can not be asked ends it as the run would', async () => {
    const file = written('p.jsonl', '{"prompt":"a b"}\n{"prompt":"c","model":"other"}\nnonsense\n');
    const { code, object } = await totals(file);
    expect([code, object['invalid_lines'], object['error'].code]).toEqual([11, 1, 'batch_partial']);
    expect(object['models'].map(({ model, lines }: Record<string, unknown>) => [model, lines])).toEqual([
      ['fake', 1],
      ['other', 1],
    ]);
  });
});

test('a batch is looked at in the memory of its sample, however many lines it has', async () => {
  // The young generation of V8 grows to its largest with whatever is allocated; here it has that from the start. What is
  // kept for good would show: a list of the lines' digests alone takes nearly twice as much.
  const measured = `process.on('exit', () => console.error('peak', process.resourceUsage().maxRSS))`;
  const options = `--max-semi-space-size=1 --import data:text/javascript,${encodeURIComponent(measured)}`;
  const peakOf = async (lines: number): Promise<number> => {
    const file = written('many.txt', 'summarise this ticket in one sentence\n'.repeat(lines));
    const { code, stderr } = await home.run(['batch', file, '--dry-run'], { env: { NODE_OPTIONS: options } });
    expect(code).toBe(0);
    return Number(/peak (\d+)/.exec(stderr)?.[1]);
  };
  expect((await peakOf(400_000)) / (await peakOf(100_000))).toBeLessThan(1.15);
}, 60_000);

describe('--max-input-tokens', () => {
  test('refuses what is longer with the figure, before anything is sent or kept', async () => {
    const { code, stderr } = await home.run(['--max-input-tokens', '3', 'one two three four']);
    expect(code).toBe(2);
    expect(stderr).toContain('the input has 4 tokens, more than --max-input-tokens 3');
    expect((await home.run(['--max-input-tokens', '4', 'one two three four'])).code).toBe(0);
    expect(upstream.chatRequests).toHaveLength(1);
    expect(JSON.parse((await home.run(['history', 'list', '--json'])).stdout)).toHaveLength(1);
  });

  test('asks nobody about what certainly is shorter', async () => {
    expect((await home.run(['--max-input-tokens', '500', 'hi'])).code).toBe(0);
    expect(upstream.requests.map(({ path: asked }) => asked)).toEqual(['/v1/chat/completions']);
  });

  test('counts the conversation with it, and a dry run says the same', async () => {
    await home.run(['-C', 'talk', 'one two three']);
    const args = ['--max-input-tokens', '4', '-C', 'talk', 'four five six'];
    expect((await home.run(args)).code).toBe(2);
    const { code, stderr, stdout } = await home.run(['--dry-run', ...args]);
    expect([code, stdout.includes('four five six')]).toEqual([2, true]);
    expect(stderr).toContain('more than --max-input-tokens 4');
    expect(await dry(...args)).toMatchObject({ is_error: true, exit_code: 2, error: { code: 'input_too_large' } });
  });

  test('where nobody can count, a guess decides and says so', async () => {
    counter = () => ({ status: 404, body: { detail: 'Not Found' } });
    const long = await home.run(['--max-input-tokens', '100', 'a'.repeat(2000)]);
    expect([long.code, upstream.chatRequests.length]).toEqual([2, 0]);
    expect(long.stderr).toContain(
      'the input has ~504 tokens, more than --max-input-tokens 100: the proxy does not count',
    );
    const short = await home.run(['--max-input-tokens', '100', 'a'.repeat(200)]);
    expect(short.code).toBe(0);
    expect(short.stderr).toContain('~54 tokens that --max-input-tokens allows are a guess');
  });

  test('holds for each line of a batch, and for each model of a comparison', async () => {
    const file = written('p.txt', 'one\none two three four five six seven\n');
    const out = path.join(home.directory, 'o.jsonl');
    const { code } = await home.run(['batch', file, '-o', out, '--max-input-tokens', '5', '--quiet']);
    expect([code, upstream.chatRequests.length]).toEqual([11, 1]);
    const preview = await home.run(['batch', file, '--dry-run', '--max-input-tokens', '5']);
    expect([preview.code, preview.stderr]).toEqual([2, expect.stringContaining('line 2 has 7 tokens, more than')]);
    const compared = await home.run(['compare', '-m', 'fake', '-m', 'b', '--max-input-tokens', '2', 'one two three']);
    expect([compared.code, upstream.chatRequests.length]).toEqual([2, 1]);
  });

  test.each<[string, string[], number, number]>([
    ['ask', ['-C', 'talk'], 1, 9],
    ['ask that keeps nothing', ['--ephemeral'], 1, 9],
    ['compare', ['compare', '-m', 'fake', '-m', 'b'], 2, 9],
    ['batch', ['batch', '-o', 'o.jsonl', '--quiet'], 1, 11],
  ])('is looked at before each try of --schema-retries: %s', async (_name, args, models, exit) => {
    const others = upstream.fallback;
    const wrong = textReply(JSON.stringify({ name: 'word '.repeat(20), age: 'x' }));
    upstream.fallback = (request) => (request.path.includes('/chat/') ? wrong(request) : others(request));
    const flags = ['--output-schema', 'name, age int', '--schema-retries', '3', '--max-input-tokens', '40'];
    const prompt = args[0] === 'batch' ? written('p.txt', 'who is it?\n') : 'who is it?';
    const { code, stdout, stderr } = await home.run([...args, ...flags, prompt]);
    expect([code, upstream.chatRequests.length]).toEqual([exit, models]);
    const said = args[0] === 'batch' ? readFileSync(home.at('o.jsonl'), 'utf8') : `${stdout}${stderr}`;
    expect(said).toMatch(
      /must be integer[^]*it was not asked for again: the input has ~\d+ tokens, more than --max-input-tokens 40/,
    );
  });

  test('a project file tightens it, and a flag does not loosen that', async () => {
    const folder = path.join(home.directory, 'project');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'cllm.yaml'), 'max_input_tokens: 3\n');
    const { code, stderr } = await home.run(['--max-input-tokens', '50', 'one two three four'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(/more than max_input_tokens 3[^]*of several limits the lowest counts/);
  });
});

describe('the prompt line of a chat', () => {
  test('says how full the context is past a third, warns once at 80 %, and asks the proxy only then', async () => {
    const usages = [100, 30_000, 60_000, 110_000, 115_000];
    const others = upstream.fallback;
    upstream.fallback = (request) => {
      if (!request.path.includes('/chat/completions')) return others(request);
      const prompt = usages.shift() ?? 0;
      const usage = { prompt_tokens: prompt, completion_tokens: 10, total_tokens: prompt + 10 };
      return textReply('yes.', { usage })(request);
    };
    const terminal = new Terminal(home, ['chat'], { rows: 60 });
    try {
      const last = (wanted: string) => terminal.until(({ screen }) => screen.at(-1) === wanted);
      const asked = (): number => upstream.requests.filter(({ path: to }) => to.endsWith('/model/info')).length;
      const say = async (text: string, prompt: string): Promise<void> => {
        const replies = upstream.chatRequests.length;
        terminal.type(`${text}\r`);
        await terminal.until(({ screen }) => upstream.chatRequests.length > replies && screen.at(-1) === prompt);
      };
      await last('>');
      await say('first', '>');
      expect(asked()).toBe(0);
      await say('second', '>');
      await say('third', '47 % >');
      expect(asked()).toBe(1);
      await say('fourth', '86 % >');
      expect(terminal.rows.filter((row) => row.includes('the context is 86 % full'))).toHaveLength(1);
      await say('fifth', '90 % >');
      expect(terminal.rows.filter((row) => row.includes('the context is'))).toHaveLength(1);
      expect(asked()).toBe(1);
    } finally {
      terminal.close();
    }
  });
});
