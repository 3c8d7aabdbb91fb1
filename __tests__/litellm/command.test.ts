import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { describeLitellm, litellmProxy, type LitellmProxy } from '../support/litellm.ts';
import { CliHome } from '../support/run-cli.ts';
import { requestFor } from './situations.ts';

/** The main job, end to end: the built command, this repository's litellm-config.yaml, a real LiteLLM. */
describeLitellm('the built command and a real LiteLLM', () => {
  let proxy: LitellmProxy;
  let home: CliHome;

  beforeAll(() => {
    proxy = litellmProxy();
    home = new CliHome({
      LITELLM_PROXY_URL: proxy.baseUrl,
      LITELLM_PROXY_API_KEY: proxy.masterKey,
      CLLM_MODEL: 'hello',
    });
  });
  afterAll(() => home.close());

  const shown = async (name: string): Promise<Record<string, any>[]> => {
    const { stdout } = await home.run(['history', 'show', name, '--format', 'json']);
    return JSON.parse(stdout).turns;
  };
  const result = async (...args: string[]): Promise<Record<string, any>> =>
    JSON.parse((await home.run(['--output-format', 'json', ...args])).stdout);

  test('the keyless model of litellm-config.yaml answers, streamed and whole, and both turns are kept alike', async () => {
    const streamed = await home.run(['-C', 'hello', 'hi']);
    const whole = await home.run(['-C', 'hello', '--no-stream', 'hi']);
    expect(streamed).toMatchObject({ code: 0, stdout: expect.stringContaining('a real LiteLLM proxy') });
    expect(whole).toMatchObject({ code: 0, stdout: streamed.stdout });
    const [first, second] = await shown('hello');
    expect(first?.['completion'].choices).toEqual(second?.['completion'].choices);
    expect(first?.['completion']).toMatchObject({
      object: 'chat.completion',
      usage: { total_tokens: expect.any(Number) },
    });
    expect([first?.['verdict'], second?.['verdict']]).toEqual(['complete', 'complete']);
  });

  test('echo test | cllm "what is this?" | cat', async () => {
    const tag = 'command-pipe';
    const { code, stdout } = await home.shell(
      `echo "[text tag=${tag}]" | cllm -q -m fake-openai "what is this?" | cat`,
    );
    expect(code).toBe(0);
    expect(stdout).toBe('Hello from the upstream. \n');
    const [request] = await proxy.provider.requests(tag);
    expect(request?.body['messages']).toEqual([
      { role: 'user', content: `what is this?\n\n<stdin>\n[text tag=${tag}]\n</stdin>` },
    ]);
  });

  test.each([
    ['openai', ['"role":"tool"', '"tool_calls"']],
    ['anthropic', ['"tool_use"', '"tool_result"']],
    // Without the signature Gemini answers 400.
    ['gemini', ['"function_call"', '"function_response"', 'dGhvdWdodA==']],
  ])('%s: a call goes back with its result, in its provider’s form', async (provider, parts) => {
    const [model, name] = [`fake-${provider}`, `calls-${provider}`];
    const { tools } = requestFor('openai', 'parallel-tools');
    writeFileSync(home.at('tools.json'), JSON.stringify(tools));
    const prompt = '[parallel-tools] x';
    const { completion } = await result('-m', model, '-C', name, '--tools', home.at('tools.json'), prompt);
    const ids: string[] = completion.choices[0].message.tool_calls.map(({ id }: { id: string }) => id);
    expect(ids.length).toBeGreaterThan(1);
    const results = ids.flatMap((id, at) => ['--tool-result', `${id}=sunny ${at}`]);
    const answered = await home.run(['-C', name, ...results, `[text tag=${name}] and now?`]);
    expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining('Hello from the upstream') });
    const [request] = await proxy.provider.requests(name);
    const sent = JSON.stringify(request?.body);
    for (const part of [...parts, ...ids.map((_, at) => `sunny ${at}`)]) expect(sent).toContain(part);
  });

  test.each(['fake-openai', 'fake-anthropic', 'fake-gemini'])(
    '%s: a streamed reply is the body of the same question',
    async (model) => {
      const [streamed, whole] = [
        await result('-m', model, '[text] x'),
        await result('-m', model, '--no-stream', '[text] x'),
      ];
      expect([streamed['verdict'], whole['verdict']]).toEqual(['complete', 'complete']);
      // What LiteLLM itself adds to one of the two, and how, is held by fold-vs-body.test.ts.
      const told = ({ completion }: Record<string, any>): unknown => {
        const [{ index, finish_reason, message }] = completion.choices;
        return { index, finish_reason, role: message.role, content: message.content };
      };
      expect(told(streamed)).toEqual(told(whole));
      expect(streamed['usage']).toMatchObject({
        input_tokens: whole['usage'].input_tokens,
        output_tokens: whole['usage'].output_tokens,
      });
    },
  );

  test('the first delta is on stdout before the upstream has sent the last one', async () => {
    const tag = 'command-live';
    const cli = home.start(['-q', '-m', 'fake-openai', `[text hold=2 tag=${tag}] x`]);
    await cli.untilStdout(' ');
    expect(cli.process.exitCode).toBeNull();
    await proxy.provider.release(tag);
    expect((await cli.result).code).toBe(0);
  });

  test('flags reach the upstream unchanged, and -c sends what was said before', async () => {
    const tag = 'command-flags';
    await home.run([
      '-C',
      'flags',
      '-s',
      'be brief',
      '-m',
      'fake-openai',
      '--temperature',
      '0.5',
      '-p',
      'top_k=3',
      `[text tag=${tag}] one`,
    ]);
    await home.run(['-C', 'flags', '-m', 'fake-openai', `[text tag=${tag}] two`]);
    const [first, second] = await proxy.provider.requests(tag);
    expect(first?.body).toMatchObject({ temperature: 0.5, top_k: 3, stream: true });
    const reply = (await shown('flags'))[0]?.['completion'].choices[0].message.content;
    expect(second?.body['messages']).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: `[text tag=${tag}] one` },
      { role: 'assistant', content: reply },
      { role: 'user', content: `[text tag=${tag}] two` },
    ]);
  });

  test.each([
    ['a wrong key', ['hi'], { LITELLM_PROXY_API_KEY: 'sk-wrong' }, 4, /key/i],
    ['no key', ['hi'], { LITELLM_PROXY_API_KEY: '' }, 4, /key/i],
    ['an unknown model', ['-m', 'nope', 'hi'], {}, 1, /cllm models/],
    ['no model chosen', ['hi'], { CLLM_MODEL: '' }, 2, /hello/],
    ['a base URL that ends in a wrong path', ['--base-url', '{base}/wrong/path', 'hi'], {}, 1, /wrong\/path/],
  ])('%s is named, with the next command and its exit code', async (_name, args, env, code, message) => {
    const given = args.map((word) => word.replace('{base}', proxy.baseUrl));
    const failed = await home.run(given, { env });
    expect(failed).toMatchObject({ code, stdout: '' });
    expect(failed.stderr).toMatch(message);
    expect(failed.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  });

  test('an upstream that dies midway is no success, and what came is printed and kept', async () => {
    const cli = home.start(['-C', 'dying', '-m', 'fake-openai', '[text hold=2 cut=2 tag=command-dying] x']);
    await cli.untilStdout(' ');
    await proxy.provider.release('command-dying');
    const { code, stdout } = await cli.result;
    expect(code).toBe(3);
    expect(stdout.trim()).not.toBe('');
    expect((await shown('dying'))[0]).toMatchObject({
      verdict: 'error',
      completion: { choices: [{ message: { content: stdout.replace(/\n$/, '') } }] },
    });
  });

  test('a schema is sent as response_format and the reply is checked', async () => {
    writeFileSync(home.at('any.json'), JSON.stringify({ type: 'object', required: ['nobody-sends-this'] }));
    const tag = 'command-schema';
    const { code, stdout } = await home.run([
      '-m',
      'fake-openai',
      '--output-schema',
      home.at('any.json'),
      `[json tag=${tag}] x`,
    ]);
    expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
    const [request] = await proxy.provider.requests(tag);
    expect(request?.body['response_format']).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: { type: 'object' } },
    });
  });

  test('models lists what the proxy serves', async () => {
    const { code, stdout } = await home.run(['models']);
    expect(code).toBe(0);
    const names = stdout.split('\n').map((line) => line.split('\t')[0]);
    expect(names).toEqual(expect.arrayContaining(['hello', 'gpt', 'claude', 'gemini', 'local']));
  });
});
