import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { finishChunk, type FakeUpstream, startFakeUpstream, textChunk } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

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

interface Shown {
  system: string | null;
  turns: { verdict: string | null }[];
}

const shown = async (name: string): Promise<Shown> =>
  JSON.parse((await home.run(['history', 'show', name, '--format', 'json'])).stdout) as Shown;
const models = (): unknown[] => upstream.chatRequests.map(({ body }) => body.model);

describe('a prompt that looks like a flag', () => {
  test.each([['- an item'], ['---\ntitle: x\n---\ntext'], ['--- a/file.ts'], ['--please do it'], ['-- so what']])(
    '%j is refused, and told where it goes',
    async (prompt) => {
      const { code, stderr } = await home.run([prompt]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('cllm -- "') });
      expect((await home.run(['--', prompt])).code).toBe(0);
      expect(upstream.chatRequests.map(({ body }) => body.messages?.at(-1)?.content)).toEqual([prompt]);
    },
  );

  test('the values of flags are none', async () => {
    const { code } = await home.run(['--system=- be brief', '--header=x-a: - b', 'hi']);
    expect(code).toBe(0);
  });
});

test.each([['"'], ["'"], ['`']])('quotes (%s) around a base URL and a key are taken off', async (quote) => {
  const quoted = {
    LITELLM_PROXY_URL: quote + upstream.baseUrl + quote,
    LITELLM_PROXY_API_KEY: `${quote}sk-abc${quote}`,
  };
  expect((await home.run(['hi'], { env: quoted })).code).toBe(0);
  expect(upstream.chatRequests[0]?.headers.authorization).toBe('Bearer sk-abc');
});

test('a key with one quote is named as such, and not sent', async () => {
  const { code, stderr } = await home.run(['hi'], { env: { LITELLM_PROXY_API_KEY: '"sk-abc' } });
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('a quote') });
  expect(upstream.requests).toEqual([]);
});

test('one token is one token, and a small cost is a figure', async () => {
  upstream.reply({
    steps: [
      { data: textChunk('Hi') },
      { data: finishChunk() },
      { data: { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 4.2e-7 } } },
      { data: '[DONE]' },
    ],
  });
  const { stderr } = await home.run(['hi']);
  expect(stderr).toContain('1 token in · 1 token out · $0.00000042 ');
});

test('a line of a batch without a model does not stop the lines that name theirs', async () => {
  const lines = ['{"prompt":"a"}', ...Array.from({ length: 30 }, () => '{"prompt":"b","model":"gpt"}')];
  writeFileSync(home.at('in.jsonl'), lines.join('\n'));
  const args = ['batch', 'in.jsonl', '-o', 'out.jsonl', '--concurrency', '1'];
  const { code } = await home.run(args, { env: { CLLM_MODEL: undefined } });
  expect(code).toBe(11);
  const results = readFileSync(home.at('out.jsonl'), 'utf8').trim().split('\n');
  const codes = results.map((line) => (JSON.parse(line) as { error: { code: string } | null }).error?.code ?? null);
  expect(codes.filter((each) => each === null)).toHaveLength(30);
  expect(codes.filter((each) => each !== null)).toEqual(['no_model']);
});

describe('a reply that --max-reply-bytes cut', () => {
  const long = { steps: [{ burst: [textChunk('x'.repeat(5000)), finishChunk()] }, { data: '[DONE]' }] };

  test('is cut in its replay too', async () => {
    upstream.reply(long);
    const live = await home.run(['hi', '--max-reply-bytes', '1000', '--record', 'a.rec', '--output-format', 'json']);
    const replayed = await home.run(['replay', 'a.rec', '--output-format', 'json', '--speed', 'max']);
    const of = ({ stdout, code }: { stdout: string; code: number | null }): unknown => {
      const { verdict, result } = JSON.parse(stdout) as { verdict: string; result: string };
      return { code, verdict, result };
    };
    expect(of(live)).toMatchObject({ code: 3, verdict: 'cut' });
    expect(of(replayed)).toEqual(of(live));
  });
});

describe('what fails has changed nothing', () => {
  test('a conversation keeps its system prompt when the recording can not be written', async () => {
    await home.run(['-C', 'work', '-s', 'the first', 'hi']);
    const { code } = await home.run(['-C', 'work', '-s', 'another', '--record', 'no/such/folder/a.rec', 'hi']);
    expect(code).not.toBe(0);
    expect(await shown('work')).toMatchObject({ system: 'the first', turns: [{ verdict: 'complete' }] });
    expect((await home.run(['-C', 'work', '-s', 'another', 'hi'])).code).toBe(0);
    expect((await shown('work')).system).toBe('another');
    expect(upstream.chatRequests.at(-1)?.body.messages?.[0]).toEqual({ role: 'system', content: 'another' });
  });

  test('a conversation that is named twice is deleted once', async () => {
    await home.run(['-C', 'work', 'hi']);
    await home.run(['-C', 'other', 'hi']);
    expect(await home.run(['history', 'delete', 'work', 'work', '--yes'])).toMatchObject({ code: 0 });
    const { code } = await home.run(['history', 'delete', 'other', 'nobody', '--yes']);
    expect(code).not.toBe(0);
    expect((await home.run(['history', 'list'])).stdout).toContain('other');
  });

  test.each([
    ['a schema that is none', ['--output-schema', 'broken.json']],
    ['an output of a missing folder', ['-o', 'no/such/folder/out.md']],
    ['tools that are none', ['--tools', 'broken.json']],
    ['a certificate that is missing', ['--cacert', 'none.pem']],
    ['a number that is none', ['--temperature', 'warm']],
    ['a parameter that is none', ['-p', 'x']],
    ['a header that is none', ['--header', 'x']],
    ['an attachment that is missing', ['-f', 'none.txt']],
    ['a recording that is there', ['--record', 'broken.json']],
  ])('no turn is begun and nothing is sent with %s', async (_name, flags) => {
    writeFileSync(home.at('broken.json'), '{');
    expect((await home.run(['-C', 'work', 'hi', ...flags])).code).not.toBe(0);
    expect(upstream.requests).toEqual([]);
    const { stdout } = await home.run(['history', 'list', '--json']);
    expect(JSON.parse(stdout || '[]')).toEqual([]);
    expect(readdirSync(home.directory)).not.toContain('out.md');
  });
});

describe('a conversation remembers who answered', () => {
  test('and goes on with that one, whatever the settings say', async () => {
    await home.run(['-C', 'work', '-m', 'claude', 'hi']);
    const { stderr } = await home.run(['-c', 'and now?']);
    expect(models()).toEqual(['claude', 'claude']);
    expect(stderr).not.toContain('answers');
  });

  test('until a flag names another, which is said', async () => {
    await home.run(['-C', 'work', '-m', 'claude', 'hi']);
    const { stderr } = await home.run(['-C', 'work', '-m', 'gpt', 'and now?']);
    expect(stderr).toContain('this conversation was had with claude; from here on gpt answers');
    await home.run(['-c', 'and then?']);
    expect(models()).toEqual(['claude', 'gpt', 'gpt']);
  });

  test('needs no default model for it', async () => {
    await home.run(['-C', 'work', '-m', 'claude', 'hi']);
    expect((await home.run(['-c', 'and now?'], { env: { CLLM_MODEL: undefined } })).code).toBe(0);
  });

  test('in a chat as well', async () => {
    await home.run(['-C', 'work', '-m', 'claude', 'hi']);
    await home.run(['chat', '-c'], { stdin: 'and now?\n' });
    expect(models()).toEqual(['claude', 'claude']);
  });
});

test('--read-only without a conversation says that nothing is kept', async () => {
  const { code, stderr } = await home.run(['--read-only', 'hi']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('keeps nothing') });
});

test('a value of a flag is no word when a shell asks what comes next', async () => {
  await home.run(['-C', 'work', 'hi']);
  const { stdout } = await home.run(['completion', 'words', '--', 'history', '-n', '5', 'show', '']);
  expect(stdout).toContain('work');
});

describe('answers whose members no function turns into a text or a number', () => {
  const odd = JSON.parse(
    '{"status":0,"db":0,"detail":0,"key":0,"error":{"message":0,"code":0},"data":[{"id":0,"model_info":0}],' +
      '"info":{"spend":0,"max_budget":0,"models":[0],"expires":0}}',
    (_, value: unknown) => (value === 0 ? { toString: 1, valueOf: 1 } : value),
  ) as Record<string, unknown>;

  test.each([
    [200, { hi: 3, models: 0, whoami: 0, doctor: 1 }],
    [401, { hi: 4, models: 4, whoami: 4, doctor: 4 }],
    [500, { hi: 5, models: 5, whoami: 5, doctor: 5 }],
  ])('of status %i end as others of their kind', async (status, codes) => {
    for (const [command, code] of Object.entries(codes)) {
      upstream.fallback = () => ({ status, body: odd });
      const ended = await home.run([command]);
      expect({ command, code: ended.code, stderr: ended.stderr }).toEqual({
        command,
        code,
        stderr: expect.not.stringContaining('internal'),
      });
    }
  });
});
