import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fakeGateway, listedTool, textResult } from '../support/fake-gateway.ts';
import { callReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** Approval of calls by the person at the terminal. */

let upstream: FakeUpstream;
let home: CliHome;
let terminal: Terminal | null;
let ran: number;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  ran = 0;
  terminal = null;
  const add = {
    name: 'math',
    tools: [listedTool('add')],
    call: () => {
      ran += 1;
      return textResult('five');
    },
  };
  const { fallback } = upstream;
  upstream.fallback = fakeGateway([add], (request) => {
    if (!request.path.endsWith('/chat/completions')) return fallback(request);
    const last = request.body.messages?.at(-1);
    if (last?.role === 'tool') return textReply(`told: ${/five|refused/.exec(lastText(request))?.[0]}.`)(request);
    return callReply([
      { name: 'math-add', args: { a: 2, note: '\u001b]0;title\u0007 hidden\u202e', tag: '\u{e0041}\u200b\u3164' } },
    ])(request);
  });
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  terminal?.close();
  home.close();
  await upstream.close();
});

const open = (...args: string[]): Terminal => (terminal = new Terminal(home, args, { columns: 120 }));
const question = 'run this tool? [y]es, [n]o, [a]lways in this conversation:';

test.each([
  ['y', 'told: five.', 1],
  ['n', 'told: refused.', 0],
  ['', 'told: refused.', 0],
])('an answer of %j', async (answer, told, times) => {
  const shown = open('--mcp', 'math', 'go');
  await shown.until(question);
  // Before anybody decides all of it is there to be read, and nothing of it acts on the terminal.
  expect(shown.text).toContain('"a":2');
  expect(shown.text).toContain('"tag":"\\u{e0041}\\u{200b}\\u{3164}"');
  expect(shown.output).not.toContain('\u001b]0;title');
  expect(shown.output).not.toContain('\u202e');
  expect(ran).toBe(0);
  shown.type(`${answer}\r`);
  await shown.until(told);
  expect([await shown.exitCode, ran]).toEqual([0, times]);
});

test('Ctrl-C at the question runs nothing, and what is asked again is asked of the person again', async () => {
  const first = open('--mcp', 'math', 'go');
  await first.until(question);
  first.type('\u0003');
  expect([await first.exitCode, ran]).toEqual([130, 0]);
  first.close();
  const second = open('--mcp', 'math', '-c');
  await second.until(question);
  second.type('y\r');
  await second.until('told: five.');
  expect([await second.exitCode, ran, upstream.chatRequests.length]).toEqual([0, 1, 2]);
});

test.each(['\u0003', '\u0004'])('a question that %j ends leaves its line', async (key) => {
  const chat = open('chat', '--mcp', 'math', '-C', 'sums');
  await chat.until('/help');
  chat.type('one\r');
  await chat.until(question);
  chat.type(key);
  await chat.until(/ · conversation \w+\n>$/);
  expect(chat.lines).toContain(question);
  expect(ran).toBe(0);
});

test('--no-stdin asks nobody, and a signal ends the question', async () => {
  const silent = open('--mcp', 'math', '--no-stdin', 'go');
  expect([await silent.exitCode, ran]).toEqual([13, 0]);
  silent.close();
  const asked = open('--mcp', 'math', 'go');
  await asked.until(question);
  process.kill(asked.pid, 'SIGTERM');
  expect([await asked.exitCode, ran]).toEqual([143, 0]);
});

test('a chat asks in place, and "always" holds for the conversation, also for a later run', async () => {
  const chat = open('chat', '--mcp', 'math', '-C', 'sums');
  await chat.until('/help');
  chat.type('/tools\r');
  await chat.until('the model may call: math-add');
  chat.type('one\r');
  await chat.until(question);
  chat.type('a\r');
  await chat.until('told: five.');
  chat.type('two\r');
  await chat.until((screen) => screen.text.split('told: five.').length === 3);
  expect([chat.text.split(question).length - 1, ran]).toEqual([1, 2]);
  chat.type('/quit\r');
  expect(await chat.exitCode).toBe(0);
  expect(await home.run(['--mcp', 'math', '-C', 'sums', 'three'])).toMatchObject({ code: 0 });
  expect(await home.run(['--mcp', 'math', 'another conversation'])).toMatchObject({ code: 13 });
  expect(ran).toBe(3);
});
