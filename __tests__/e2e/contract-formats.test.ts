import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exits } from '../../src/outcome/exits.ts';
import {
  chunk,
  errorReply,
  type FakeUpstream,
  finishChunk,
  type ScriptedReply,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
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

const cutReply: ScriptedReply = { steps: [{ data: textChunk('Half a', { role: 'assistant' }) }] };
const shortReply: ScriptedReply = { steps: [...(cutReply.steps ?? []), { data: finishChunk('length') }] };
const schema = {
  title: 'An answer!',
  type: 'object',
  properties: { answer: { type: 'integer' } },
  required: ['answer'],
  additionalProperties: false,
};

interface KeptTurn {
  verdict: string;
  completion: { choices: [{ message: { content: string } }] };
}

/** Times and ids are what differs from run to run. */
function golden(text: string): unknown[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) =>
      JSON.parse(line, (name, value: unknown) => {
        if (name === 'timestamp') return 'T';
        if (/^(conversation|session)_id$/.test(name) && typeof value === 'string') return 'C';
        if (/^(duration|ttft)_ms$/.test(name) && typeof value === 'number') return 'N';
        return name === 'base_url' ? 'B' : value;
      }),
    );
}

const completion = {
  id: 'chatcmpl-fake',
  object: 'chat.completion',
  created: 1_790_000_000,
  model: 'test-model',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cost: 0.25 },
};

const result = {
  type: 'result',
  timestamp: 'T',
  schema_version: 1,
  status: 'success',
  is_error: false,
  verdict: 'complete',
  exit_code: 0,
  result: 'Hi.',
  result_json: null,
  finish_reason: 'stop',
  usage: { input_tokens: 9, output_tokens: 3, cached_input_tokens: null, reasoning_tokens: null },
  total_cost_usd: 0.25,
  cost_source: 'stream',
  duration_ms: 'N',
  ttft_ms: 'N',
  conversation_id: 'C',
  call_id: '00000000-0000-4000-8000-000000000001',
  // The conversation, which is what the proxy groups its calls by.
  session_id: 'C',
  model_served: 'test-model',
  guardrails: null,
  template: null,
  steps: null,
  error: null,
  completion,
};

describe('stream-json', () => {
  test('is init, the deltas and the result', async () => {
    upstream.reply(textReply('Hi.', { usage: completion.usage }));
    const { stdout, stderr } = await home.run(['hi', '--output-format', 'stream-json']);
    expect(golden(stdout)).toEqual([
      { type: 'init', timestamp: 'T', schema_version: 1, conversation_id: 'C', model: 'test-model', base_url: 'B' },
      { type: 'message', timestamp: 'T', role: 'assistant', content: 'Hi.', delta: true },
      result,
    ]);
    expect(stderr).toBe('');
  });

  test('tells a failure twice alike: as an event and in the result', async () => {
    upstream.reply(errorReply(401, 'no', { type: 'auth_error' }));
    const { stdout } = await home.run(['hi', '--output-format', 'stream-json']);
    const error = {
      type: 'error',
      timestamp: 'T',
      code: 'key_rejected',
      message: expect.stringContaining('the proxy rejected the key: no (HTTP 401)'),
      hint: expect.stringContaining('LITELLM_PROXY_API_KEY'),
    };
    expect(golden(stdout).slice(1)).toEqual([
      error,
      {
        ...result,
        status: 'error',
        is_error: true,
        verdict: null,
        exit_code: 4,
        result: '',
        finish_reason: null,
        usage: null,
        total_cost_usd: null,
        cost_source: 'unknown',
        ttft_ms: null,
        call_id: null,
        session_id: null,
        model_served: null,
        error,
        completion: null,
      },
    ]);
  });

  test('shows a delta as soon as it came, before the next is sent', async () => {
    let release = (): void => {};
    const seen = new Promise<void>((resolve) => (release = resolve));
    upstream.reply({ steps: [...(cutReply.steps ?? []), { gate: seen }, { data: finishChunk() }] });
    const run = home.start(['hi', '--output-format', 'stream-json']);
    await run.untilStdout('"content":"Half a"');
    release();
    expect((await run.result).code).toBe(0);
  });

  test('holds half a character back until the other half comes', async () => {
    const [high, low] = ['\ud83d', '\ude00'];
    upstream.reply({
      steps: [
        { raw: `data: ${JSON.stringify(textChunk(`a${high}`))}\n\n` },
        { raw: `data: ${JSON.stringify(textChunk(`${low}b`))}\n\n` },
        { data: finishChunk() },
      ],
    });
    const { stdout } = await home.run(['hi', '--output-format', 'stream-json']);
    expect(stdout).not.toMatch(/\\ud83d/i);
    expect((golden(stdout).at(-1) as { result: string }).result).toBe('a😀b');
    upstream.reply({ steps: [{ data: textChunk(`a${high}`) }, { data: textChunk(low) }, { data: finishChunk() }] });
    expect((await home.run(['hi'])).stdout).toBe('a😀\n');
  });

  test('gives each call of a tool once, with its parameters as text where they are no JSON', async () => {
    const call = (index: number, id: string, text: string) => ({ index, id, function: { name: 'f', arguments: text } });
    upstream.reply({
      steps: [
        { data: chunk([{ index: 0, delta: { tool_calls: [call(0, 'a', '{"x":'), call(1, 'b', '{oops')] } }]) },
        { data: chunk([{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '1}' } }] } }]) },
        { data: finishChunk('tool_calls') },
      ],
    });
    const { stdout } = await home.run(['hi', '--output-format', 'stream-json']);
    expect(golden(stdout).slice(1, -1)).toEqual([
      { type: 'tool_use', timestamp: 'T', tool_name: 'f', tool_id: 'a', parameters: { x: 1 } },
      { type: 'tool_use', timestamp: 'T', tool_name: 'f', tool_id: 'b', parameters: '{oops', malformed: true },
    ]);
  });

  test('is only choice 0', async () => {
    upstream.reply({
      steps: [
        {
          data: chunk([
            { index: 1, delta: { content: 'other' } },
            { index: 0, delta: { content: 'one' } },
          ]),
        },
        { data: chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) },
      ],
    });
    const { stdout, code } = await home.run(['hi', '--output-format', 'stream-json', '-p', 'n=2']);
    expect(code).toBe(0);
    expect((golden(stdout).at(-1) as { result: string }).result).toBe('one');
  });
});

describe('json', () => {
  test('is the result alone', async () => {
    upstream.reply(textReply('Hi.', { usage: completion.usage }));
    const { stdout, stderr } = await home.run(['hi', '--output-format', 'json']);
    expect(golden(stdout)).toEqual([result]);
    expect(stderr).toBe('');
  });

  test('has null for what nobody told', async () => {
    upstream.reply({ steps: [{ data: textChunk('Hi.') }, { data: finishChunk() }] });
    const { stdout } = await home.run(['hi', '--output-format', 'json', '--ephemeral']);
    expect(golden(stdout)).toMatchObject([
      { usage: null, total_cost_usd: null, cost_source: 'unknown', call_id: null, conversation_id: null, exit_code: 0 },
    ]);
  });

  test.each<[string, string[], ScriptedReply, number]>([
    ['a usage error', ['--foo', 'hi'], {}, 2],
    ['a usage error with the format behind it', ['--foo', 'hi', '--output-format=json'], {}, 2],
    ['a refusal', ['hi'], errorReply(400, 'no'), 1],
    ['a cut reply', ['hi'], cutReply, 3],
    ['a reply cut by its length limit', ['hi'], shortReply, 8],
    ['a deadline', ['--idle-timeout', '0.1', 'hi'], { steps: [...(cutReply.steps ?? []), { stall: true }] }, 124],
  ])('is one object after %s too', async (_name, args, reply, code) => {
    upstream.reply(reply);
    const format = args.some((arg) => arg.startsWith('--output-format')) ? [] : ['--output-format', 'json'];
    const run = await home.run([...format, ...args]);
    expect(run.code).toBe(code);
    expect(golden(run.stdout)).toMatchObject([{ type: 'result', is_error: true, exit_code: code }]);
  });

  test('arrives whole through a pipe that is read late, though it is larger than the pipe', async () => {
    const text = 'All work and no play. '.repeat(20_000);
    upstream.reply(textReply(text, { pieceLength: 4000 }));
    const run = home.start(['hi', '--output-format', 'json']);
    run.process.stdout?.pause();
    while (upstream.chatRequests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // Sent whole: all that is missing now is the result.
    expect(await upstream.chatRequests[0]?.hungUp).toBe(false);
    run.process.stdout?.resume();
    const { stdout, code } = await run.result;
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { result: string }).result).toBe(text);
  });
});

describe('text', () => {
  test.each<[string, string[], ScriptedReply, number, string, RegExp]>([
    ['a cut reply', ['hi'], cutReply, 3, 'Half a\n', /finish_reason/],
    ['a short reply', ['hi'], shortReply, 8, 'Half a\n', /--allow-short/],
    ['a short reply that is allowed', ['--allow-short', 'hi'], shortReply, 0, 'Half a\n', /^(?!.*cut short)/s],
    ['a refusal', ['hi'], errorReply(400, 'no'), 1, '', /no \(HTTP 400\)/],
    ['a mistake', ['--foo', 'hi'], {}, 2, '', /foo/],
  ])('of %s is the reply on stdout and the reason on stderr', async (_name, args, reply, code, stdout, stderr) => {
    upstream.reply(reply);
    const run = await home.run(args);
    expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout });
    expect(run.stderr).toMatch(stderr);
  });
});

describe('--output-schema', () => {
  beforeEach(() => writeFileSync(home.at('schema.json'), JSON.stringify(schema)));

  const ask = ['--output-schema', 'schema.json', '-C', 'x', 'hi'];
  const kept = async (): Promise<KeptTurn> => {
    const { stdout } = await home.run(['history', 'show', 'x', '--format', 'json']);
    return (JSON.parse(stdout) as { turns: [KeptTurn] }).turns[0];
  };

  test('is sent as response_format, and a reply that matches is printed', async () => {
    upstream.reply(textReply('{"answer": 42}'));
    const { code, stdout } = await home.run(ask);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"answer": 42}\n' });
    expect(upstream.chatRequests[0]?.body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'An_answer_', schema, strict: true },
    });
  });

  test('is the schema itself as well, as JSON or in short', async () => {
    upstream.reply(textReply('{"name": "Ann", "age": 7}'), textReply('{"name": "Ann"}'));
    const short = ['--output-schema', 'name, age int', '--ephemeral', 'hi'];
    expect(await home.run(short)).toMatchObject({ code: 0, stdout: '{"name": "Ann", "age": 7}\n' });
    expect(upstream.chatRequests[0]?.body['response_format']).toMatchObject({
      json_schema: { strict: true, schema: { required: ['name', 'age'] } },
    });
    const inline = ['--output-schema', '{"required": ["age"]}', '--ephemeral', 'hi'];
    expect(await home.run(inline)).toMatchObject({
      code: 9,
      stderr: expect.stringContaining(
        "the reply does not match its schema: at the root: must have required property 'age'",
      ),
    });
    expect(upstream.chatRequests[1]?.body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'reply', schema: { required: ['age'] } },
    });
    expect(await home.run(['--output-schema', 'name, age years', 'hi'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"age years" is no field'),
    });
  });

  test('is a file also where its folder has blanks and commas in its name', async () => {
    upstream.reply(textReply('{"answer": 42}'), textReply('{"answer": 42}'));
    const folder = home.at('my project, new');
    mkdirSync(folder);
    writeFileSync(join(folder, 'schema.json'), JSON.stringify(schema));
    writeFileSync(join(folder, 'cllm.yaml'), 'output_schema: schema.json\n');
    expect(await home.run(['--output-schema', 'schema.json', 'hi'], { cwd: folder })).toMatchObject({ code: 0 });
    expect(await home.run(['hi'], { cwd: folder })).toMatchObject({ code: 0 });
    expect(upstream.chatRequests.map(({ body }) => body['response_format'])).toEqual([
      { type: 'json_schema', json_schema: { name: 'An_answer_', schema, strict: true } },
      { type: 'json_schema', json_schema: { name: 'An_answer_', schema, strict: true } },
    ]);
  });

  test.each<[string, string, RegExp]>([
    ['does not match', '{"answer": "many"}', /at \/answer: must be integer/],
    ['lacks a member', '{}', /at the root: must have required property 'answer'/],
    ['is no JSON', 'Surely: {"answer": 42}', /it is no JSON/],
  ])('prints nothing of a reply that %s, and keeps it', async (_name, text, reason) => {
    upstream.reply(textReply(text));
    const { code, stdout, stderr } = await home.run([...ask, '-o', 'out.txt']);
    expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
    expect(stderr).toMatch(reason);
    expect((await kept()).completion.choices[0].message.content).toBe(text);
    expect(readdirSync(home.directory)).not.toContain('out.txt');
  });

  test('prints nothing of a reply that was cut, though it parses', async () => {
    upstream.reply(textReply('{"answer": 42}', { finishReason: null, isDone: false, usage: null }));
    const { code, stdout } = await home.run(ask);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect((await kept()).verdict).toBe('cut');
  });

  test('says nothing of the history under --ephemeral, where nothing was kept', async () => {
    upstream.reply(textReply('{}'));
    const { stderr } = await home.run(['--output-schema', 'schema.json', '--ephemeral', 'hi']);
    expect(stderr).not.toContain('history');
  });

  test.each([
    ['is no JSON', '{oops', /is not JSON/],
    ['is no object', '[]', /is no JSON object/],
    ['has an unknown type', '{"type": "thing"}', /is no JSON schema/],
    [
      'refers to a file that is not there',
      '{"$ref": "other.json"}',
      /refers to .*other\.json: cannot be read \(ENOENT\)/,
    ],
    ['would be asynchronous', '{"$async": true}', /\$async/],
  ])('is a mistake when it %s, and nothing is asked', async (_name, text, reason) => {
    writeFileSync(home.at('schema.json'), text);
    const { code, stderr } = await home.run(ask);
    expect(code).toBe(2);
    expect(stderr).toMatch(reason);
    expect(upstream.requests).toEqual([]);
  });
});

describe('-o', () => {
  test('writes the reply, as it came, for its owner alone', async () => {
    upstream.reply(textReply('no newline'));
    await home.shell('umask 000; cllm -o out.txt hi');
    expect(readFileSync(home.at('out.txt'), 'utf8')).toBe('no newline');
    expect(statSync(home.at('out.txt')).mode & 0o777).toBe(0o600);
    expect(readdirSync(home.directory).toSorted()).toEqual(['cllm', 'out.txt']);
  });

  test('replaces a file, keeps its mode, and follows a symbolic link to it', async () => {
    writeFileSync(home.at('real.txt'), 'a longer text than the reply');
    chmodSync(home.at('real.txt'), 0o640);
    symlinkSync('real.txt', home.at('link.txt'));
    await home.run(['-o', 'link.txt', 'hi']);
    expect(readFileSync(home.at('real.txt'), 'utf8')).toBe('Hello.');
    expect(statSync(home.at('real.txt')).mode & 0o777).toBe(0o640);
    expect(readdirSync(home.directory).toSorted()).toEqual(['cllm', 'link.txt', 'real.txt']);
  });

  test('leaves the file as it was when the reply is not whole', async () => {
    writeFileSync(home.at('out.txt'), 'before');
    upstream.reply(cutReply);
    expect((await home.run(['-o', 'out.txt', 'hi'])).code).toBe(3);
    expect(readFileSync(home.at('out.txt'), 'utf8')).toBe('before');
  });

  test('writes to a device or a pipe, and never replaces it', async () => {
    const { code, stdout } = await home.shell('exec 3>&1; cllm -q -o >(cat >&3) hi >/dev/null');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello.' });
    expect((await home.run(['-o', '/dev/null', 'hi'])).code).toBe(0);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test.each([
    ['a directory', 'folder'],
    ['a file in no directory', 'gone/out.txt'],
    ['standard output', '-'],
  ])('refuses %s before anything is asked', async (_name, file) => {
    mkdirSync(home.at('folder'));
    const { code } = await home.run(['-o', file, 'hi']);
    expect(code).toBe(2);
    expect(upstream.requests).toEqual([]);
  });
});

describe('help', () => {
  test('exit-codes prints the table', async () => {
    const { stdout, code } = await home.run(['help', 'exit-codes']);
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().split(/\s+/).slice(0, 2)),
    ).toEqual(Object.entries(exits).map(([name, { code: number }]) => [String(number), name]));
  });

  test('of a command is its --help, and a question that begins with the word gets a hint', async () => {
    const [plain, named, asked] = await Promise.all([
      home.run(['help', 'history']),
      home.run(['history', '--help']),
      home.run(['help', 'me', 'with', 'this']),
    ]);
    expect(plain.stdout).toBe(named.stdout);
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('cllm ask') });
  });
});
