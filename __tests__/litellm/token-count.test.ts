import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describeLitellm, litellmProxy, type LitellmProxy } from '../support/litellm.ts';
import { CliHome } from '../support/run-cli.ts';

/** The figures of a dry run are those of the proxy's own counter. */
describeLitellm('--dry-run and a real LiteLLM', () => {
  let proxy: LitellmProxy;
  let home: CliHome;

  beforeAll(() => {
    proxy = litellmProxy();
    home = new CliHome({ LITELLM_PROXY_URL: proxy.baseUrl, LITELLM_PROXY_API_KEY: proxy.masterKey });
  });
  afterAll(() => home.close());

  const dry = async (...args: string[]): Promise<Record<string, any>> =>
    JSON.parse((await home.run(['--dry-run', '--output-format', 'json', ...args])).stdout);
  const counter = async (body: Record<string, unknown>): Promise<Record<string, any>> => {
    const answer = await fetch(`${proxy.baseUrl}/utils/token_counter`, {
      method: 'POST',
      headers: { authorization: `Bearer ${proxy.masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, any>;
  };
  const parameters = { type: 'object', properties: { city: { type: 'string' } } };
  const tools = [{ type: 'function', function: { name: 'weather', description: 'of a city', parameters } }];

  test.each([
    ['fake-openai', false],
    ['fake-anthropic', true],
    ['fake-gemini', true],
  ])('%s: tokens of system, prompt and tools, as /utils/token_counter says', async (model, isGuess) => {
    const file = path.join(home.directory, 'tools.json');
    writeFileSync(file, JSON.stringify(tools));
    const tag = `dry-${model}`;
    const prompt = `[text tag=${tag}] Größe, 東京, and ${'a longer text '.repeat(50)}`;
    const object = await dry('-m', model, '-s', 'Be brief.', '--tools', file, '--max-tokens', '50', prompt);
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: prompt },
    ];
    expect(object['request'].body.messages).toEqual(messages);
    const { total_tokens: tokens } = await counter({ model, messages, tools });
    expect(tokens).toBeGreaterThan(100);
    expect(object).toMatchObject({ input_tokens: tokens, input_tokens_estimated: isGuess });
    expect(object['cost_usd'].high).toBeGreaterThan(object['cost_usd'].low);
    expect(object['context_share']).toBeCloseTo(tokens / object['max_input_tokens'], 10);
    expect(await proxy.provider.requests(tag)).toEqual([]);
  });

  test('an image is counted', async () => {
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
    const file = path.join(home.directory, 'dot.png');
    writeFileSync(file, Buffer.from(png, 'base64'));
    const object = await dry('-m', 'fake-openai', '-f', file, 'what is it?');
    const { total_tokens: tokens } = await counter({ model: 'fake-openai', messages: object['request'].body.messages });
    expect(object['input_tokens']).toBe(tokens);
  });

  test('a model that the proxy knows nothing of has no price, and its tokens are a guess', async () => {
    expect(await dry('-m', 'unpriced', 'hello')).toMatchObject({
      input_tokens: expect.any(Number),
      input_tokens_estimated: true,
      cost_usd: null,
    });
  });

  test('--max-input-tokens refuses by that figure, one token less and not at it', async () => {
    const tag = 'dry-limit';
    const prompt = `[text tag=${tag}] ${'word '.repeat(200)}`;
    const { input_tokens: tokens } = await dry('-m', 'fake-openai', prompt);
    const limited = (most: number) => home.run(['-m', 'fake-openai', '--max-input-tokens', String(most), prompt]);
    expect(await limited(tokens - 1)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`the input has ${tokens} tokens, more than --max-input-tokens ${tokens - 1}`),
    });
    expect(await proxy.provider.requests(tag)).toEqual([]);
    expect((await limited(tokens)).code).toBe(0);
  });

  test('the sum of a batch is that of its lines', async () => {
    const prompts = ['one two three', 'Größe and 東京', 'x'.repeat(300)];
    const file = path.join(home.directory, 'p.txt');
    writeFileSync(file, prompts.join('\n'));
    const { stdout } = await home.run(['batch', file, '--dry-run', '--output-format', 'json', '-m', 'fake-openai']);
    let sum = 0;
    for (const content of prompts)
      sum += (await counter({ model: 'fake-openai', messages: [{ role: 'user', content }] }))['total_tokens'];
    expect(JSON.parse(stdout).models).toEqual([
      expect.objectContaining({ lines: 3, input_tokens: sum, counted_lines: 3 }),
    ]);
  });
});
