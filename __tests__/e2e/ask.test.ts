import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
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

/** The conversation as `history show` prints it for programs. */
async function shown(name?: string): Promise<{ turns: Record<string, any>[]; [key: string]: any }> {
  const { stdout } = await home.run(['history', 'show', ...(name === undefined ? [] : [name]), '--format', 'json']);
  return JSON.parse(stdout);
}

describe('a question', () => {
  test('is answered on stdout with one final newline, and everything else goes to stderr', async () => {
    upstream.reply(textReply('The sky is blue.'));
    const { code, stdout, stderr } = await home.run(['why is', 'the sky blue?']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'The sky is blue.\n' });
    expect(stderr).toContain('test-model');
    expect(upstream.chatRequests[0]?.body).toMatchObject({
      model: 'test-model',
      messages: [{ role: 'user', content: 'why is the sky blue?' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(upstream.chatRequests[0]?.headers.authorization).toBe('Bearer sk-test-key');
  });

  test('keeps the newline that the reply ends with and adds none', async () => {
    upstream.reply(textReply('a line\n'));
    expect((await home.run(['hi'])).stdout).toBe('a line\n');
  });

  test('shows each delta before the upstream has sent the next', async () => {
    let tellSeen = (): void => {};
    const seen = new Promise<void>((resolve) => (tellSeen = resolve));
    upstream.reply({
      steps: [
        { data: chunk({ role: 'assistant', content: 'first' }) },
        { gate: seen },
        { data: chunk({ content: ' second' }) },
        { data: chunk({}, 'stop') },
        { data: '[DONE]' },
      ],
    });
    const cli = home.start(['hi']);
    await cli.untilStdout('first');
    expect(cli.output.stdout).toBe('first');
    tellSeen();
    expect(await cli.result).toMatchObject({ code: 0, stdout: 'first second\n' });
  });

  test('with piped input sends both, and the reply goes down the pipe', async () => {
    upstream.fallback = (request) => textReply(String(request.body.messages?.at(-1)?.content))(request);
    const { code, stdout } = await home.shell('echo test | cllm "what is this?" 2>/dev/null | cat');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'what is this?\n\n<stdin>\ntest\n</stdin>\n' });
  });

  test('sends the flags of the request as they are', async () => {
    writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'f' } }]));
    const flags = ['-m', 'other', '-s', 'be brief', '--temperature', '0.5', '--max-tokens', '7', '--top-p', '0.9'];
    const more = ['--seed', '42', '--stop', 'END', '--reasoning-effort', 'low', '-p', 'top_k=40', '-p', 'user="me"'];
    await home.run([...flags, ...more, '--tools', home.at('tools.json'), 'hello']);
    expect(upstream.chatRequests[0]?.body).toEqual({
      model: 'other',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hello' },
      ],
      temperature: 0.5,
      max_tokens: 7,
      top_p: 0.9,
      seed: 42,
      stop: 'END',
      reasoning_effort: 'low',
      top_k: 40,
      user: 'me',
      tools: [{ type: 'function', function: { name: 'f' } }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('after -- is prompt, whatever it looks like', async () => {
    await home.run(['--', 'history', 'list', '-m']);
    expect(upstream.chatRequests[0]?.body.messages?.[0]?.content).toBe('history list -m');
  });
});

describe('a conversation', () => {
  test('goes on with -c, with what was said before', async () => {
    upstream.reply(textReply('Ada.'), textReply('Yes, Ada.'));
    await home.run(['-s', 'be kind', 'my name?']);
    await home.run(['-c', 'sure?']);
    expect(upstream.chatRequests[1]?.body.messages).toEqual([
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'my name?' },
      { role: 'assistant', content: 'Ada.' },
      { role: 'user', content: 'sure?' },
    ]);
    expect((await shown()).turns.map((turn) => turn['seq'])).toEqual([1, 2]);
  });

  test('starts and goes on under a name with -C', async () => {
    upstream.reply(textReply('one'), textReply('two'), textReply('three'));
    await home.run(['-C', 'work', 'first']);
    await home.run(['something else']);
    await home.run(['-C', 'work', 'second']);
    expect((await shown('work')).turns.map((turn) => turn['completion'].choices[0].message.content)).toEqual([
      'one',
      'three',
    ]);
  });

  test('keeps a streamed turn and one of --no-stream alike: the whole ChatCompletion', async () => {
    upstream.reply(textReply('same'), textReply('same'));
    await home.run(['-C', 'both', 'hi']);
    await home.run(['-C', 'both', '--no-stream', 'hi']);
    const [streamed, whole] = (await shown('both')).turns.map((turn) => turn['completion']);
    expect(upstream.chatRequests.map((request) => request.body.stream)).toEqual([true, false]);
    expect(streamed).toMatchObject({
      object: 'chat.completion',
      choices: [{ finish_reason: 'stop' }],
      usage: { total_tokens: expect.any(Number) },
    });
    expect(streamed.choices).toEqual(whole.choices);
    expect(streamed.usage.total_tokens).toBe(whole.usage.total_tokens);
    expect(streamed.model).toBe(whole.model);
  });

  test('keeps a turn that failed, shows it, and does not send it', async () => {
    upstream.reply(
      { status: 401, body: { error: { message: 'no', type: 'auth_error', code: '401' } } },
      textReply('fine'),
    );
    expect((await home.run(['-C', 'x', 'lost'])).code).toBe(4);
    await home.run(['-C', 'x', 'again']);
    expect(upstream.chatRequests[1]?.body.messages).toEqual([{ role: 'user', content: 'again' }]);
    expect((await shown('x')).turns).toMatchObject([
      { messages: [{ content: 'lost' }], completion: null, verdict: null, error: { code: 'key_rejected' } },
      { messages: [{ content: 'again' }], verdict: 'complete', error: null },
    ]);
  });

  test('sends a partial reply as plain text and says so once', async () => {
    upstream.reply({ steps: [{ data: chunk({ role: 'assistant', content: 'half a' }) }] }, textReply('whole'));
    expect((await home.run(['-C', 'x', 'one'])).code).toBe(3);
    const { stderr } = await home.run(['-C', 'x', 'two']);
    expect(upstream.chatRequests[1]?.body.messages?.[1]).toEqual({ role: 'assistant', content: 'half a' });
    expect(stderr.match(/not complete/g)).toHaveLength(1);
  });

  test('is context only with --read-only, and nothing is kept with --ephemeral', async () => {
    upstream.reply(textReply('one'), textReply('two'), textReply('three'));
    await home.run(['-C', 'x', 'first']);
    await home.run(['-C', 'x', '--read-only', 'second']);
    await home.run(['--ephemeral', 'third']);
    expect(upstream.chatRequests[1]?.body.messages).toHaveLength(3);
    expect((await shown('x')).turns).toHaveLength(1);
    expect((await home.run(['history', 'list'])).stdout.trim().split('\n')).toHaveLength(1);
  });
});

describe('bad input', () => {
  const lines = (text: string): string[] => text.trimEnd().split('\n');

  test.each<[string, string[], Record<string, string | undefined>, number, RegExp]>([
    ['an unknown flag', ['--foo', 'hi'], {}, 2, /foo/],
    ['a flag without its value', ['-m'], {}, 2, /-m needs a value/],
    ['a flag given twice', ['-m', 'a', '-m', 'b', 'hi'], {}, 2, /--model was given 2 times/],
    ['a number that is none', ['--temperature', 'hot', 'hi'], {}, 2, /--temperature hot is not a number/],
    ['no prompt', [], {}, 2, /no prompt|empty/],
    ['an empty prompt', [''], {}, 2, /no prompt|empty/],
    ['a base URL with a typo', ['--base-url', 'htp://x', 'hi'], {}, 2, /htp:\/\/x/],
    ['no proxy listening', ['--base-url', 'http://127.0.0.1:9', '--retries', '0', 'hi'], {}, 5, /127\.0\.0\.1:9/],
    ['a parameter that is no JSON', ['-p', 'a=b', 'hi'], {}, 2, /-p a=b/],
    ['an unknown conversation', ['-C', 'gone', '--read-only', 'hi'], {}, 1, /gone/],
    ['no model', ['hi'], { CLLM_MODEL: undefined }, 2, /no model chosen/],
  ])('%s gives one or two lines, the exit code and no stack trace', async (_name, args, env, code, message) => {
    const result = await home.run(args, { env });
    expect(result.stdout).toBe('');
    expect(lines(result.stderr).length).toBeLessThanOrEqual(2);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(result.code).toBe(code);
  });

  test('binary input is refused with the offset of the first bad byte', async () => {
    const { code, stderr } = await home.run(['look'], { stdin: Buffer.from([0x68, 0x69, 0xff, 0xd8]) });
    expect(code).toBe(2);
    expect(stderr).toContain('byte 2');
  });

  test('a history that is no database costs exit 10 and nothing else: the reply is shown, the file is kept', async () => {
    mkdirSync(home.at('cllm'), { mode: 0o700 });
    writeFileSync(home.at('cllm', 'history.db'), 'this is my diary, not a database '.repeat(40), { mode: 0o600 });
    upstream.reply(textReply('here you are'));
    const { code, stdout, stderr } = await home.run(['hi']);
    expect({ code, stdout }).toEqual({ code: 10, stdout: 'here you are\n' });
    expect(stderr).toContain('history.db');
    const kept = readdirSync(home.at('cllm')).filter(
      (name) => name.startsWith('history.db') && readFileSync(home.at('cllm', name), 'utf8').includes('my diary'),
    );
    expect(kept).toHaveLength(1);
  });

  test('a data directory that cannot be made costs exit 10 and nothing else', async () => {
    writeFileSync(home.at('cllm'), 'a file in the way');
    upstream.reply(textReply('here you are'));
    const { code, stdout, stderr } = await home.run(['hi']);
    expect({ code, stdout }).toEqual({ code: 10, stdout: 'here you are\n' });
    expect(stderr).toContain('could not be saved');
  });

  test.each(['/', '/v1', '/v1/', ''])('a base URL that ends in %j reaches the proxy', async (ending) => {
    const { code } = await home.run(['--base-url', upstream.baseUrl + ending, 'hi']);
    expect(code).toBe(0);
    expect(upstream.chatRequests[0]?.path).toBe('/v1/chat/completions');
  });
});

function chunk(delta: object, finishReason?: string): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'test-model',
    choices: [{ index: 0, delta, ...(finishReason && { finish_reason: finishReason }) }],
  };
}
