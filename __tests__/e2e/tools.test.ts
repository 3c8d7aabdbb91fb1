import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fakeGateway, type FakeMcpServer, listedTool, textResult } from '../support/fake-gateway.ts';
import {
  callReply,
  type FakeUpstream,
  lastText,
  type RecordedRequest,
  type ScriptedReply,
  startFakeUpstream,
  textReply,
} from '../support/fake-upstream.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/** The loop of tools, through the built command: what is run, what is asked, what is kept, and how it ends. */

let upstream: FakeUpstream;
let home: CliHome;
/** The calls that reached the server's tools, in their order. */
let ran: string[];

const math: FakeMcpServer = {
  name: 'math',
  tools: [listedTool('add', { a: { type: 'number' }, b: { type: 'number' } }), listedTool('boom')],
  call: (tool, args) => {
    ran.push(`${tool} ${JSON.stringify(args)}`);
    return tool === 'boom' ? textResult('it broke', true) : textResult(String(Number(args['a']) + Number(args['b'])));
  },
};
const add = { name: 'math-add', args: { a: 2, b: 3 } };
const withMath = ['--mcp', 'math', '--allow', 'mcp:math/add'];

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = fakeGateway([math], upstream.fallback);
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  ran = [];
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** The model calls as long as it is given something to call, then says what it was told. */
function script(...replies: ((request: RecordedRequest) => ScriptedReply)[]): void {
  const { fallback } = upstream;
  upstream.fallback = (request) => {
    if (!request.path.endsWith('/chat/completions')) return fallback(request);
    return (replies.shift() ?? textReply(`told: ${lastText(request)}`))(request);
  };
}

interface Event {
  type: string;
  [key: string]: unknown;
}

const eventsOf = ({ stdout }: CliResult): Event[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
const resultOf = (run: CliResult): Event => eventsOf(run).at(-1) as Event;
const bodies = (): RecordedRequest['body'][] => upstream.chatRequests.map(({ body }) => body);

describe('a loop', () => {
  test('runs what a rule allows, gives the model the result, and prints its answer', async () => {
    script(callReply([add]));
    const { code, stdout, stderr } = await home.run([...withMath, 'what is 2 + 3?']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('told: <untrusted-tool-result') });
    expect(stdout).toContain('\n5\n');
    expect(stderr).toMatch(
      /tool call math-add {"a":2,"b":3} runs by mcp:math\/add\n.*tool result math-add \(\d+\.\d\d s\) 5\n/,
    );
    expect(ran).toEqual(['add {"a":2,"b":3}']);
    const [first, second] = bodies();
    expect(first?.['tools']).toMatchObject([{ function: { name: 'math-add' } }, { function: { name: 'math-boom' } }]);
    expect(second?.messages).toMatchObject([
      { role: 'user', content: 'what is 2 + 3?' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', function: { name: 'math-add' } }] },
      { role: 'tool', tool_call_id: 'call_1' },
    ]);
  });

  test('is the same without a history', async () => {
    script(callReply([add], 'Let me add.'));
    const { code, stdout } = await home.run([...withMath, '--ephemeral', 'go']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Let me add.\ntold: ') });
    expect(bodies()[1]?.messages).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: 'Let me add.', tool_calls: [{ id: 'call_1' }] },
      { role: 'tool' },
    ]);
  });

  test('tells programs of every call, decision and result, and of each step', async () => {
    script(callReply([add], 'One moment.'));
    const run = await home.run([...withMath, '--output-format', 'stream-json', 'go']);
    const events = eventsOf(run);
    expect(events.map(({ type }) => type).filter((type) => type !== 'message')).toEqual([
      'init',
      'tool_use',
      'approval',
      'tool_result',
      'result',
    ]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'approval', decision: 'allowed', by: 'rule', rule: 'mcp:math/add' }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'tool_result', tool_id: 'call_1', output: '5', is_error: false }),
    );
    expect(resultOf(run)).toMatchObject({
      result: expect.stringContaining('One moment.\ntold: '),
      usage: { input_tokens: 18, output_tokens: 6 },
      steps: [
        {
          finish_reason: 'tool_calls',
          tool_calls: [{ tool_name: 'math-add', parameters: { a: 2, b: 3 }, is_error: false }],
        },
        { finish_reason: 'stop', tool_calls: [] },
      ],
    });
  });

  test('keeps every step as a turn, and a later question sends all of it', async () => {
    script(callReply([add]));
    await home.run([...withMath, 'go']);
    const { code } = await home.run(['-c', 'and then?']);
    expect(code).toBe(0);
    const last = bodies().at(-1);
    expect(last?.messages?.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    expect(last).toMatchObject({ tool_choice: 'none', tools: [{ function: { name: 'math-add' } }] });
  });

  test('takes a failed tool for a result, and unknown tools and arguments as well', async () => {
    script(
      callReply([
        { name: 'math-boom', args: {} },
        { name: 'nobody', args: {} },
        { name: 'math-add', args: '{"a":' },
        { name: 'math-add', args: [1] },
      ]),
    );
    const { code } = await home.run(['--mcp', 'math', '--allow', 'mcp:math/*', 'go']);
    expect({ code, ran }).toEqual({ code: 0, ran: ['boom {}'] });
    expect(
      bodies()[1]
        ?.messages?.slice(2)
        .map(({ content }) => content),
    ).toEqual([
      expect.stringContaining('it broke'),
      'There is no tool "nobody".',
      'The arguments are no JSON.',
      expect.stringContaining('JSON object'),
    ]);
  });

  test('ends after so many requests, with everything kept, and goes on from there', async () => {
    script(callReply([add]), callReply([{ ...add, id: 'second' }]));
    const run = await home.run([...withMath, '--max-steps', '2', '--output-format', 'json', 'go']);
    expect(run.code).toBe(3);
    expect(resultOf(run)).toMatchObject({ error: { code: 'too_many_steps' }, steps: [{}, {}] });
    expect(ran).toHaveLength(1);
    const further = await home.run(['-c', ...withMath]);
    expect({ code: further.code, ran: ran.length }).toEqual({ code: 0, ran: 2 });
    expect(
      bodies()
        .at(-1)
        ?.messages?.map(({ role }) => role),
    ).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool']);
  });

  test('asks for nothing more past --max-cost, and runs no tool for it', async () => {
    const paid = (request: RecordedRequest): ScriptedReply => {
      const reply = callReply([add])(request);
      return { ...reply, headers: { ...reply.headers, 'x-litellm-response-cost': '0.5' } };
    };
    script(paid, paid);
    const run = await home.run([...withMath, '-m', 'fake', '--max-cost', '0.4', '--output-format', 'json', 'go']);
    expect({ code: run.code, chats: upstream.chatRequests.length, ran }).toEqual({ code: 7, chats: 1, ran: [] });
    expect(resultOf(run)).toMatchObject({ error: { code: 'cost_cap' } });
  });

  test('that fails on the way keeps the results, and goes on with them', async () => {
    script(callReply([add]), () => ({ status: 401, body: { error: { message: 'no', code: '401' } } }));
    const { code } = await home.run([...withMath, 'go']);
    expect(code).toBe(4);
    const further = await home.run(['-c', ...withMath]);
    expect({ code: further.code, ran }).toEqual({ code: 0, ran: ['add {"a":2,"b":3}'] });
    expect(further.stdout).toContain('5');
  });
});

describe('what a model makes up', () => {
  test('is no call that somebody has to answer', async () => {
    const made = { name: 'nobody', args: {}, id: 'made' };
    script(callReply([{ name: 'math-boom', args: {} }, made]));
    expect(await home.run([...withMath, 'go'])).toMatchObject({ code: 13 });
    const { code } = await home.run(['-c', '--mcp', 'math', '--allow', 'mcp:math/*']);
    expect({ code, ran }).toEqual({ code: 0, ran: ['boom {}'] });
    expect(bodies().at(-1)?.messages?.at(-1)).toMatchObject({ content: 'There is no tool "nobody".' });
  });

  test('goes to a tool with every digit, and not at all where two programs would read it in two ways', async () => {
    const long = '{ "a": 12345678901234567890, "b": 1.10 }';
    script(
      callReply([
        { name: 'math-add', args: long },
        { name: 'math-add', args: '{"a":1,"a":2}' },
      ]),
    );
    const { code, stderr } = await home.run([...withMath, '--verbose', 'go']);
    expect({ code, calls: ran.length }).toEqual({ code: 0, calls: 1 });
    const sent = upstream.requests.find(({ path }) => path === '/mcp-rest/tools/call');
    expect(sent?.text).toContain(`"arguments":${long}`);
    expect(stderr).toContain('{"a":12345678901234567890,"b":1.10}');
    expect(bodies()[1]?.messages?.at(-1)?.content).toContain('has the name "a" twice');
  });
});

test('-o is left as it was by a reply that is calls alone', async () => {
  writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'look' } }]));
  writeFileSync(home.at('answer.txt'), 'of yesterday');
  script(callReply([{ name: 'look', args: {} }]));
  const run = await home.run(['--tools', home.at('tools.json'), '-o', home.at('answer.txt'), 'go']);
  expect(run).toMatchObject({ code: 0, stderr: expect.stringContaining('answer.txt is left as it was') });
  expect(readFileSync(home.at('answer.txt'), 'utf8')).toBe('of yesterday');
  const answered = await home.run(['-c', '--tool-result', 'call_1=five', '-o', home.at('answer.txt')]);
  expect(answered).toMatchObject({ code: 0 });
  expect(readFileSync(home.at('answer.txt'), 'utf8')).toContain('told: five');
});

describe('what no rule allows', () => {
  test('ends with 13 where nobody can be asked, runs nothing, and goes on once it is allowed', async () => {
    script(callReply([add, { name: 'math-boom', args: {} }]));
    const run = await home.run([...withMath, '--output-format', 'stream-json', 'go']);
    expect({ code: run.code, ran }).toEqual({ code: 13, ran: [] });
    expect(resultOf(run)).toMatchObject({
      error: { code: 'tool_unapproved' },
      steps: [{ tool_calls: [{ decision: 'allowed' }, { tool_name: 'math-boom', decision: 'needed' }] }],
    });
    const again = await home.run(['-c', ...withMath]);
    expect({ code: again.code, ran, chats: upstream.chatRequests.length }).toEqual({ code: 13, ran: [], chats: 1 });
    const allowed = await home.run(['-c', ...withMath, '--allow', 'mcp:math/boom']);
    expect({ code: allowed.code, ran: ran.length }).toEqual({ code: 0, ran: 2 });
    expect(
      bodies()
        .at(-1)
        ?.messages?.map(({ role }) => role),
    ).toEqual(['user', 'assistant', 'tool', 'tool']);
  });

  test('decides before the form that a reply has to have, and prints nothing of it', async () => {
    script(callReply([add], '{"sum": 5}'));
    const run = await home.run(['--mcp', 'math', '--output-schema', 'sum int, why', '--schema-retries', '1', 'go']);
    expect(run).toMatchObject({ code: 13, stdout: '' });
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('is in what --dry-run shows, which runs nothing', async () => {
    const { code, stdout } = await home.run([...withMath, '--dry-run', 'go']);
    expect({ code, ran, chats: upstream.chatRequests.length }).toEqual({ code: 0, ran: [], chats: 0 });
    expect(stdout).toContain('"name": "math-add"');
  });

  test('is a plain call where nobody runs tools', async () => {
    script(callReply([add]));
    writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'math-add' } }]));
    const { code, stderr } = await home.run(['--tools', home.at('tools.json'), 'go']);
    expect({ code, ran }).toEqual({ code: 0, ran: [] });
    expect(stderr).toContain('(call_1)');
  });
});

test('a form is asked for with the calls and results that led to the reply', async () => {
  script(callReply([add]), textReply('five'), textReply('{"sum": 5}'));
  const flags = ['--output-schema', 'sum int', '--schema-retries', '1', '--ephemeral'];
  const run = await home.run([...withMath, ...flags, '--output-format', 'json', 'go']);
  expect(run.code).toBe(0);
  // All that it took, and nothing of what was not taken as the answer.
  expect(resultOf(run)).toMatchObject({
    result: '{"sum": 5}',
    steps: [{ tool_calls: [{ tool_name: 'math-add' }] }, { finish_reason: 'stop' }, { finish_reason: 'stop' }],
  });
  expect(bodies()[2]?.messages?.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
});

test.each([[[]], [['really?']]])(
  'also where nothing is written to the conversation that it goes on with (%j)',
  async (prompt) => {
    script(callReply([add]), textReply('five'), textReply('{"sum": 5}'));
    expect(await home.run(['--mcp', 'math', 'go'])).toMatchObject({ code: 13 });
    const flags = ['-c', '--read-only', '--output-schema', 'sum int', '--schema-retries', '1'];
    expect(await home.run([...withMath, ...flags, ...prompt])).toMatchObject({ code: 0, stdout: '{"sum": 5}\n' });
    const asked = ['user', 'assistant', 'tool', ...prompt.map(() => 'user')];
    expect(bodies()[2]?.messages?.map(({ role }) => role)).toEqual([...asked, 'assistant', 'user']);
  },
);

test('a key of the proxy is in no result, wherever its tool found one', async () => {
  const key = 'sk-test-key';
  const leaky: FakeMcpServer = { name: 'leaky', tools: [listedTool('tell')], call: () => textResult(`it is ${key}`) };
  upstream.fallback = fakeGateway([leaky], upstream.fallback);
  writeFileSync(home.at('.env'), `LITELLM_PROXY_API_KEY=${key}\n`);
  const calls = [
    { name: 'run_command', args: { argv: ['cat', '.env'] } },
    { name: 'leaky-tell', args: {} },
  ];
  script(callReply(calls));
  const allowed = ['--allow', 'cat *', '--mcp', 'leaky', '--allow', 'mcp:leaky/tell'];
  const { code, stdout } = await home.run([...allowed, '--output-format', 'stream-json', 'go']);
  const { stdout: kept } = await home.run(['history', 'export']);
  expect(code).toBe(0);
  expect(lastText(upstream.chatRequests[1] as RecordedRequest)).toContain('it is ****');
  expect(upstream.chatRequests[1]?.text).toContain('LITELLM_PROXY_API_KEY=****');
  for (const text of [stdout, kept, upstream.chatRequests[1]?.text]) expect(text).not.toContain(key);
});

test('a run that goes on from calls tells what became of them, and counts its own requests alone', async () => {
  script(callReply([add]), callReply([add]));
  await home.run(['--mcp', 'math', 'go']);
  const run = await home.run(['-c', ...withMath, '--max-steps', '2', '--output-format', 'json']);
  expect(run.code).toBe(0);
  expect(resultOf(run)).toMatchObject({
    result: expect.stringMatching(/^told: /),
    usage: { input_tokens: 18 },
    steps: [
      { usage: null, tool_calls: [{ tool_name: 'math-add', decision: 'allowed', by: 'rule', is_error: false }] },
      { finish_reason: 'tool_calls', tool_calls: [{ tool_name: 'math-add' }] },
      { finish_reason: 'stop', tool_calls: [] },
    ],
  });
});

describe('results that the caller hands in', () => {
  beforeEach(async () => {
    writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'look' } }]));
    script(
      callReply([
        { name: 'look', args: {} },
        { name: 'look', args: { at: 1 }, id: 'other' },
      ]),
    );
    await home.run(['--tools', home.at('tools.json'), 'go']);
  });

  test('answer the calls, from text and from files', async () => {
    writeFileSync(home.at('result.txt'), 'from a file');
    const results = ['--tool-result', 'call_1=as=it is', '--tool-result', `other=@${home.at('result.txt')}`];
    const { code, stdout } = await home.run(['-c', '--tools', home.at('tools.json'), ...results]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'told: from a file\n' });
    expect(bodies().at(-1)?.messages?.slice(-2)).toEqual([
      { role: 'tool', tool_call_id: 'call_1', content: 'as=it is' },
      { role: 'tool', tool_call_id: 'other', content: 'from a file' },
    ]);
  });

  test('answer a call whose id holds what ends one, as LiteLLM makes them for Gemini', async () => {
    script(callReply([{ name: 'look', args: {}, id: 'call_9__thought__dGhv==' }]));
    await home.run(['--tools', home.at('tools.json'), 'go']);
    const { stdout } = await home.run(['-c', '--tool-result', 'call_9__thought__dGhv===x=y']);
    expect(stdout).toBe('told: x=y\n');
  });

  test('go with a prompt behind them', async () => {
    const results = ['--tool-result', 'call_1=one', '--tool-result', 'other=two'];
    const { stdout } = await home.run(['-c', ...results, 'what now?']);
    expect(stdout).toBe('told: what now?\n');
    expect(
      bodies()
        .at(-1)
        ?.messages?.map(({ role }) => role),
    ).toEqual(['user', 'assistant', 'tool', 'tool', 'user']);
  });

  test.each([
    ['for no call', ['-c', '--tool-result', 'nobody=x'], /no call "nobody" waits.*\n.*"call_1", "other"/],
    ['twice', ['-c', '--tool-result', 'call_1=x', '--tool-result', 'call_1=y'], /two results for call_1/],
    ['without an id', ['-c', '--tool-result', '=x'], /is not ID=TEXT/],
    ['for some of the calls', ['-c', '--tool-result', 'call_1=x'], /"other"/],
    ['for a new conversation', ['--tool-result', 'call_1=x', 'hi'], /no call "call_1" waits/],
  ])('are refused %s', async (_, args, message) => {
    const { code, stderr } = await home.run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(upstream.chatRequests).toHaveLength(1);
  });
});

describe('what is not to happen', () => {
  test('a call that was begun is not run again, --read-only or not', async () => {
    script(callReply([add]), () => ({ status: 401, body: { error: { message: 'no', code: '401' } } }));
    await home.run([...withMath, 'go']);
    script();
    for (const extra of [['--read-only'], []])
      expect(await home.run(['-c', ...withMath, ...extra, 'go on'])).toMatchObject({ code: 0 });
    expect(ran).toHaveLength(1);
    // Each call has one answer, whatever failed in between.
    for (const { messages = [] } of bodies()) {
      const ids = messages.filter(({ role }) => role === 'tool').map(({ tool_call_id: id }) => id);
      expect(ids).toEqual([...new Set(ids)]);
    }
  });

  test('a result that is handed in answers no later call of that id', async () => {
    writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'look' } }]));
    script(callReply([{ name: 'look', args: {} }]), callReply([{ name: 'look', args: { again: true } }]));
    await home.run(['--tools', home.at('tools.json'), 'go']);
    const run = await home.run(['-c', '--tools', home.at('tools.json'), '--tool-result', 'call_1=one']);
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('look {"again":true}') });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('a call of another kind, or nested beyond reading, is a mistake of the model and no internal error', async () => {
    const deep = `${'['.repeat(6000)}${']'.repeat(6000)}`;
    script(callReply([{ name: 'math-add', args: `{"a":${deep}}` }]));
    const run = await home.run([...withMath, '--output-format', 'json', 'go']);
    expect({ code: run.code, ran }).toEqual({ code: 0, ran: [] });
    expect(bodies()[1]?.messages?.at(-1)?.content).toBe('The arguments are no JSON that can be read.');
  });

  test('calls that came with an import run by no rule', async () => {
    script(callReply([{ name: 'math-boom', args: {} }]));
    expect(await home.run([...withMath, '-C', 'theirs', 'go'])).toMatchObject({ code: 13 });
    const { stdout } = await home.run(['history', 'export']);
    await home.run(['history', 'delete', 'theirs', '--yes']);
    writeFileSync(home.at('theirs.jsonl'), stdout);
    await home.run(['history', 'import', home.at('theirs.jsonl')]);
    expect(await home.run(['-C', 'theirs', '--mcp', 'math', '--allow', 'mcp:*/*'])).toMatchObject({ code: 13 });
    expect(ran).toEqual([]);
  });

  test('a prompt that a chat swallows', async () => {
    writeFileSync(home.at('tools.json'), JSON.stringify([{ type: 'function', function: { name: 'look' } }]));
    script(callReply([{ name: 'look', args: {} }]));
    const flags = ['--tools', home.at('tools.json'), '--allow', 'echo *'];
    const run = await home.run(['chat', ...flags], { stdin: 'first\nsecond\n' });
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('told: second') });
  });
});

describe('commands of this machine', () => {
  const run = (argv: unknown) => ({ name: 'run_command', args: { argv } });

  test('run without a shell, when a rule matches them word by word', async () => {
    script(callReply([run(['echo', '$(id); rm -rf /'])]));
    const { code, stdout } = await home.run(['--allow', 'echo *', 'go']);
    expect(code).toBe(0);
    expect(stdout).toContain('$(id); rm -rf /');
  });

  test('that match no rule need a person', async () => {
    script(callReply([run(['touch', home.at('canary')])]));
    const { code } = await home.run(['--allow', 'echo *', 'go']);
    expect(code).toBe(13);
    expect(() => readFileSync(home.at('canary'))).toThrow('ENOENT');
  });
});

test("a batch leaves the calls of an item's own tools to whoever reads its results", async () => {
  const line = {
    custom_id: 'one',
    method: 'POST',
    url: '/v1/chat/completions',
    body: {
      messages: [{ role: 'user', content: 'go' }],
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
    },
  };
  writeFileSync(home.at('in.jsonl'), JSON.stringify(line));
  script(callReply([{ name: 'look', args: {} }]));
  const { code } = await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl', ...withMath]);
  const [result] = eventsOf({ stdout: readFileSync(home.at('out.jsonl'), 'utf8') } as CliResult);
  expect({ code, chats: upstream.chatRequests.length }).toEqual({ code: 0, chats: 1 });
  expect(result).toMatchObject({ finish_reason: 'tool_calls', steps: [{ tool_calls: [{ decision: 'caller' }] }] });
  expect(bodies()[0]?.['tools']).toMatchObject([{ function: { name: 'look' } }, {}, {}]);
});

test('a batch runs what rules allow, and fails an item whose call none allows', async () => {
  const { fallback } = upstream;
  upstream.fallback = (request) => {
    if (!request.path.endsWith('/chat/completions')) return fallback(request);
    const [first] = request.body.messages ?? [];
    if (request.body.messages?.at(-1)?.role === 'tool') return textReply('the sum is known')(request);
    return callReply([first?.content === 'break' ? { name: 'math-boom', args: {} } : add])(request);
  };
  writeFileSync(home.at('in.txt'), 'sum\nbreak\n');
  const { code } = await home.run(['batch', 'in.txt', '-o', 'out.jsonl', ...withMath]);
  expect({ code, ran }).toEqual({ code: 11, ran: ['add {"a":2,"b":3}'] });
  const results = readFileSync(home.at('out.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  expect(results.toSorted((one, other) => Number(one['line']) - Number(other['line']))).toMatchObject([
    { result: 'the sum is known', usage: { input_tokens: 18 }, steps: [{}, {}] },
    { exit_code: 13, error: { code: 'tool_unapproved' } },
  ]);
});
