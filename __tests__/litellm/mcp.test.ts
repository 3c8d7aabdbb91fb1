import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { mcpTools } from '../../src/tools/gateway.ts';
import { describeLitellm } from '../support/litellm.ts';
import { type McpProxy, startMcpProxy, userKey } from '../support/mcp-proxy.ts';
import { CliHome } from '../support/run-cli.ts';

/** The MCP gateway of a real LiteLLM, with servers over stdio and streamable HTTP. */
describeLitellm('cllm mcp and a real LiteLLM', () => {
  let proxy: McpProxy;
  let home: CliHome;
  beforeAll(async () => {
    proxy = await startMcpProxy();
    home = new CliHome({ LITELLM_PROXY_URL: proxy.baseUrl, LITELLM_PROXY_API_KEY: proxy.masterKey });
  }, 180_000);
  afterAll(async () => {
    home?.close();
    await proxy?.stop();
  });

  const mcp = (...args: string[]) => home.run(['mcp', ...args]);
  const json = async (...args: string[]): Promise<any> => JSON.parse((await mcp(...args, '--json')).stdout);
  const marksOf = (text: string): number => proxy.marks().filter((mark) => mark === text).length;

  test('the servers, whether they answer, and how many tools they have', async () => {
    const listed = await json('list');
    expect(listed).toMatchObject([
      { name: 'down', transport: 'http', status: 'unreachable', tools: null },
      { name: 'hidden', status: 'ok' },
      { name: 'math', transport: 'stdio', status: 'ok', tools: 8 },
      { name: 'notes', transport: 'stdio', description: 'notes in a folder', status: 'ok', tools: 3 },
      { name: 'quick' },
      { name: 'web', transport: 'http', description: 'over HTTP', status: 'ok', tools: 8 },
    ]);
  });

  test('the tools of a server, with what they take', async () => {
    const { stdout } = await mcp('tools', 'web');
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'web/add\ta integer, b integer\tAdds two numbers',
        'web/mark\ttext string\tLeaves a mark',
      ]),
    );
  });

  test('a call over stdio runs once', async () => {
    expect(await mcp('call', 'math/mark', '{"text": "by stdio"}')).toEqual({
      code: 0,
      signal: null,
      stdout: 'marked by stdio\n',
      stderr: '',
    });
    expect(marksOf('by stdio')).toBe(1);
  });

  test('calls over HTTP at a time, each once', async () => {
    const texts = ['one', 'two', 'three', 'four'].map((each) => `at a time: ${each}`);
    const client = new LiteLLMClient({ baseUrl: proxy.baseUrl, apiKey: proxy.masterKey });
    const { signal } = new AbortController();
    const mark = (await mcpTools(client, ['web'], signal)).find(({ name }) => name === 'web-mark');
    if (!mark?.run) throw new Error('there is no web-mark');
    const { run } = mark;
    expect(mark.subject({ text: '' })).toEqual({ kind: 'mcp', server: 'web', tool: 'mark' });
    const results = await Promise.all(texts.map((text) => run({ text }, signal)));
    await client.close();
    expect(results).toEqual(texts.map((text) => ({ text: expect.stringContaining(`marked ${text}`), isError: false })));
    expect(texts.map(marksOf)).toEqual([1, 1, 1, 1]);
  });

  test('a tool that fails is a result; arguments that it does not take are, too', async () => {
    expect(await mcp('call', 'web/boom')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('boom'),
    });
    const { code, stderr } = await mcp('call', 'web/add', '{"a": "two"}');
    expect(code).toBe(1);
    expect(stderr).toContain('b\n  Field required');
  });

  test('content of every kind', async () => {
    const { text } = await json('call', 'web/mixed');
    expect(text.split('\n')).toEqual([
      'red \u001b[31m',
      '[audio: audio/wav, 4 bytes, not shown]',
      '[resource file:///a.txt]',
      'inside',
      '[resource file:///a.bin: application/x-a, 3 bytes, not shown]',
      '[link to https://example.com/x (x, text/html), not followed]',
    ]);
    expect(await json('call', 'web/facts')).toMatchObject({ structured_content: { a: 1 } });
    await mcp('call', 'web/picture', '-o', 'dot.png');
    expect(readFileSync(home.at('dot.png')).subarray(1, 4).toString()).toBe('PNG');
  });

  test('a tool whose name begins like that of its server is not another one', async () => {
    expect((await mcp('call', 'web/web-add')).stdout).toBe('this is web-add\n');
  });

  test('past the timeout of its server a tool may have run: it is not run again', async () => {
    const { code, stderr } = await mcp('call', 'quick/mark_slowly', '{"text": "too slow", "seconds": 30}');
    expect(code).toBe(5);
    expect(stderr).toContain('timed out after 1.0s');
    expect(stderr).toContain('it may still run');
    expect(marksOf('too slow')).toBe(1);
  });

  test('Ctrl-C ends a call that is under way', async () => {
    const run = home.start(['mcp', 'call', 'web/mark_slowly', '{"text": "stopped", "seconds": 60}']);
    while (marksOf('stopped') === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    run.process.kill('SIGINT');
    expect((await run.result).code).toBe(130);
    expect(marksOf('stopped')).toBe(1);
  });

  test('the example of the documentation: notes, and a model that reads them', async () => {
    const { stdout } = await mcp('call', 'notes/read', '{"name": "groceries.md"}');
    expect(stdout).toBe('milk\nbread\ntwo lemons\n');
    expect(await mcp('call', 'notes/read', '{"name": "../litellm.yaml"}')).toMatchObject({ code: 1 });
    const allowed = ['--mcp', 'notes', '--allow', 'mcp:notes/read'];
    const asked = await home.run(['-m', 'clerk', ...allowed, 'read groceries.md']);
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(/^The tool says:[^]*two lemons/) });
    const adding = await home.run(['-m', 'clerk', ...allowed, 'add eggs to groceries.md']);
    expect(adding).toMatchObject({ code: 13, stderr: expect.stringContaining('notes-add') });
  });

  test('a loop: the model calls tools of two servers, one after the other, and answers with what they gave', async () => {
    const prompt = 'call web-add {"a": 2, "b": 3}\nthen\ncall math-mark {"text": "by a loop"}\ncall web-boom {}';
    const flags = ['-m', 'caller', '--mcp', 'web,math', '--output-format', 'json'];
    const refused = await home.run([...flags, '--allow', 'mcp:web/*', prompt]);
    expect({ code: refused.code, marks: marksOf('by a loop') }).toEqual({ code: 13, marks: 0 });
    const { code, stdout } = await home.run([...flags, '--allow', 'mcp:*/*', '-c']);
    const result = JSON.parse(stdout) as {
      result: string;
      conversation_id: string;
      steps: { tool_calls: { decision: string }[] }[];
    };
    expect({ code, marks: marksOf('by a loop') }).toEqual({ code: 0, marks: 1 });
    expect(result.result).toContain('marked by a loop');
    expect(result.result).toContain('from="web-boom"');
    const shown = await home.run(['history', 'show', result.conversation_id, '--format', 'json']);
    const { turns } = JSON.parse(shown.stdout) as { turns: { messages: { role: string; content: string }[] }[] };
    expect(turns.map(({ messages }) => messages.map(({ role }) => role))).toEqual([
      ['user'],
      ['tool'],
      ['tool', 'tool'],
    ]);
    expect(turns[1]?.messages[0]?.content).toContain('\n5\n');
  });

  test('servers that can not be used', async () => {
    expect(await mcp('tools', 'nosuch')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there are down, hidden, math, notes, quick, web'),
    });
    expect(await mcp('call', 'down/add')).toMatchObject({ code: 5 });
    // LiteLLM says to nobody that there is a server which they may not use.
    const hidden = await home.run(['mcp', 'tools', 'hidden'], { env: { LITELLM_PROXY_API_KEY: userKey } });
    expect(hidden).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there are down, math, notes, quick, web'),
    });
    const strange = await home.run(['mcp', 'tools', 'web'], { env: { LITELLM_PROXY_API_KEY: 'sk-strange' } });
    expect(strange).toMatchObject({ code: 4, stderr: expect.stringContaining('the proxy rejected the key') });
  });
});
