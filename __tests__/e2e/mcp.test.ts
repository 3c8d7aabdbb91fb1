import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { fakeGateway, type FakeMcpServer, listedTool, textResult } from '../support/fake-gateway.ts';
import { type FakeUpstream, type Responder, startFakeUpstream } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** `cllm mcp` through the built command; __tests__/litellm/mcp.test.ts asks a real LiteLLM. */

const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const add = {
  ...listedTool('add'),
  description: 'Adds.\nTwo numbers',
  inputSchema: {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: ['integer', 'null'] }, c: {} },
    required: ['a'],
  },
};
const image = (data: string): unknown => ({ type: 'image', data, mimeType: 'image/png' });
const math: FakeMcpServer = {
  name: 'math',
  transport: 'stdio',
  description: 'sums',
  tools: [add, ...['boom', 'draw', 'draw-two', 'slow', 'echo', 'lost', 'guarded'].map((name) => listedTool(name))],
  call: (tool, args) => {
    if (tool === 'add') return textResult(String(Number(args['a']) + Number(args['b'])));
    if (tool === 'boom') return textResult('no such file\u001b[2J', true);
    if (tool === 'draw') return { content: [{ type: 'text', text: 'a dot' }, image(picture)] };
    if (tool === 'draw-two') return { content: [image(picture), image(picture)] };
    if (tool === 'slow') return { gate: new Promise(() => undefined) };
    if (tool === 'guarded') {
      const rule = { guardrail_name: 'nofruit', guardrail_mode: 'pre_mcp_call' };
      return { status: 400, body: { detail: { error: "Content blocked: keyword 'kumquat' detected", ...rule } } };
    }
    if (tool === 'lost') return { steps: [{ reset: true }] };
    return undefined;
  },
};
const web: FakeMcpServer = { name: 'web', fault: 'unreachable' };

let upstream: FakeUpstream;
let next: Responder;
let home: CliHome;
beforeAll(async () => {
  upstream = await startFakeUpstream();
  next = upstream.fallback;
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});
beforeEach(() => {
  upstream.fallback = fakeGateway([math, web], next);
  upstream.requests.length = 0;
});
afterAll(async () => {
  home.close();
  await upstream.close();
});

const mcp = (...args: string[]) => home.run(['mcp', ...args]);
const calls = () => upstream.requests.filter(({ path }) => path === '/mcp-rest/tools/call');

describe('cllm mcp list', () => {
  test('has a line a server, or JSON', async () => {
    expect(await mcp('list')).toEqual({
      code: 0,
      signal: null,
      stdout: 'math\tstdio\tok\t8\tsums\nweb\thttp\tunreachable\t\t\n',
      stderr: '',
    });
    expect(JSON.parse((await mcp('list', '--json')).stdout)).toEqual([
      {
        id: 'id-of-math',
        name: 'math',
        aliases: [],
        transport: 'stdio',
        description: 'sums',
        status: 'ok',
        tools: 8,
      },
      {
        id: 'id-of-web',
        name: 'web',
        aliases: [],
        transport: 'http',
        description: null,
        status: 'unreachable',
        tools: null,
      },
    ]);
  });

  test('says so when there are none, and when the proxy has no such thing', async () => {
    upstream.fallback = fakeGateway([], next);
    expect(await mcp('list')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `cllm: this key may use no MCP server of ${upstream.baseUrl}\n`,
    });
    upstream.fallback = next;
    expect(await mcp('list')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^cllm: this proxy has no MCP gateway: .*\n {2}check the path/),
    });
  });
});

describe('cllm mcp tools', () => {
  test('has a line a tool with its arguments, or JSON with their schema', async () => {
    const { stdout, stderr } = await mcp('tools');
    expect(stdout.split('\n')[0]).toBe('math/add\ta integer, b? integer|null, c?\tAdds. Two numbers');
    expect(stdout.split('\n')).toHaveLength(9);
    expect(stderr).toBe('cllm: the MCP server web does not answer (unreachable)\n');
    const rows = JSON.parse((await mcp('tools', 'math', '--json')).stdout) as unknown[];
    expect(rows[0]).toEqual({
      server: 'math',
      tool: 'add',
      description: 'Adds.\nTwo numbers',
      input_schema: add.inputSchema,
    });
  });

  test('of a server that there is none of, or that is down', async () => {
    expect(await mcp('tools', 'mth')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('no MCP server "mth" that this key may use; there are math, web'),
    });
    expect(await mcp('tools', 'web')).toMatchObject({ code: 5, stdout: '' });
  });
});

describe('cllm mcp call', () => {
  test('prints the text of a result', async () => {
    expect(await mcp('call', 'math/add', '{"a": 2, "b": 3}')).toEqual({
      code: 0,
      signal: null,
      stdout: '5\n',
      stderr: '',
    });
    expect(calls().map(({ body }) => body)).toEqual([
      { server_id: 'id-of-math', name: 'add', arguments: { a: 2, b: 3 } },
    ]);
  });

  test('takes its arguments from a file, from a pipe, or does without', async () => {
    writeFileSync(home.at('args.json'), '{"a": 20, "b": 1}');
    expect((await mcp('call', 'math/add', '@args.json')).stdout).toBe('21\n');
    expect((await home.run(['mcp', 'call', 'math/add', '-'], { stdin: '{"a": 4, "b": 4}' })).stdout).toBe('8\n');
    expect((await mcp('call', 'math/echo')).stdout).toBe('{}\n');
  });

  test('gives a key on standard input to nobody else', async () => {
    const args = ['mcp', 'call', 'math/echo', '-', '--api-key-file', '-'];
    const { code, stderr } = await home.run(args, { stdin: '{"sk": "sk-secret"}' });
    expect(code).toBe(2);
    expect(stderr).toContain('standard input is named twice');
    expect(upstream.requests).toEqual([]);
  });

  test.each([
    [['math'], '"math" is not SERVER/TOOL'],
    [['/add'], '"/add" is not SERVER/TOOL'],
    [['math/add', 'a=2'], 'the arguments are no JSON object'],
    [['math/add', '[2, 3]'], 'the arguments are no JSON object'],
    [['math/add', '@gone.json'], 'the arguments in gone.json: cannot be read'],
    [['math/add', '{}', '-o', 'gone/x.png'], '-o gone/x.png can not be written'],
  ])('refuses %j before anything is asked', async (args, words) => {
    expect(await mcp('call', ...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
    expect(upstream.requests).toEqual([]);
  });

  test('of an unknown tool names those there are, and the nearest', async () => {
    const { code, stderr } = await mcp('call', 'math/ad');
    expect(code).toBe(2);
    expect(stderr).toContain('the MCP server "math" has no tool "ad"; it has add, boom,');
    expect(stderr).toContain('try math/add');
    expect(calls()).toEqual([]);
  });

  test('of a tool that says that it failed has its words on stderr, and exit code 1', async () => {
    expect(await mcp('call', 'math/boom', '-o', 'boom.txt')).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: expect.stringMatching(/^no such file\\x1b\[2J\ncllm: math\/boom says that it failed\n/),
    });
    expect(() => readFileSync(home.at('boom.txt'))).toThrow('ENOENT');
    const { code, stdout } = await mcp('call', 'math/boom', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { is_error: true, text: 'no such file\u001b[2J' }]);
  });

  test('prints the whole result as JSON', async () => {
    const { stdout } = await mcp('call', 'math/draw', '--json');
    expect(JSON.parse(stdout)).toEqual({
      server: 'math',
      tool: 'draw',
      is_error: false,
      text: 'a dot\n[image: image/png, 70 bytes, not shown]',
      content: [{ type: 'text', text: 'a dot' }, image(picture)],
      structured_content: null,
    });
  });

  test('writes what is no text to a file, several beside it, and else the text', async () => {
    const bytes = Buffer.from(picture, 'base64');
    const { stdout, stderr } = await mcp('call', 'math/draw', '-o', 'dot.png');
    expect([stdout, stderr]).toEqual([
      'a dot\n[image: image/png, 70 bytes, not shown]\n',
      'cllm: image/png, 70 bytes, in dot.png\n',
    ]);
    expect(readFileSync(home.at('dot.png'))).toEqual(bytes);
    await mcp('call', 'math/draw-two', '-o', 'dots.png');
    expect([1, 2].map((number) => readFileSync(home.at(`dots-${number}.png`)))).toEqual([bytes, bytes]);
    await mcp('call', 'math/add', '{"a":1,"b":1}', '-o', 'sum.txt');
    expect(readFileSync(home.at('sum.txt'), 'utf8')).toBe('2');
  });

  test('that may have run is not made again, and says that it may have', async () => {
    const { code, stderr } = await mcp('call', 'math/lost');
    expect(code).toBe(5);
    expect(stderr).toContain('whether the tool ran is not known');
    expect(calls()).toHaveLength(1);
  });

  test('that a guardrail of the proxy refuses', async () => {
    const { code, stderr } = await mcp('call', 'math/guarded');
    expect(code).toBe(12);
    expect(stderr).toContain('blocked by the guardrail nofruit (pre_mcp_call)');
  });

  test('ends with --timeout, and with a signal', async () => {
    expect(await mcp('call', 'math/slow', '--timeout', '0.5')).toMatchObject({ code: 124, stdout: '' });
    upstream.requests.length = 0;
    const run = home.start(['mcp', 'call', 'math/slow']);
    while (calls().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    run.process.kill('SIGINT');
    expect((await run.result).code).toBe(130);
  });

  test('piped text is raw, and a terminal gets none of its controls', async () => {
    const text = 'red \u001b[31m \u202e \r over';
    upstream.fallback = fakeGateway([{ name: 'math', tools: [add], call: () => textResult(text) }], next);
    expect((await mcp('call', 'math/add')).stdout).toBe(`${text}\n`);
    const terminal = new Terminal(home, ['mcp', 'call', 'math/add']);
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.output).toContain('red \\x1b[31m \\u{202e} \\x0d over');
    terminal.close();
  });
});
