import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { faultScenarios, goodReply, streamed, type FaultScenario } from '../support/fault-scenarios.ts';
import { coded, event, head, startFaultServer, type FaultServer } from '../support/fault-server.ts';
import { textChunk } from '../support/fake-upstream.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/**
 * Every fault, through the built command in each output format: the verdict and the exit code, what arrived printed and
 * saved, the process at its end. A key goes along and is looked for in all that came out of it.
 */

const key = 'sk-canary-0123456789abcdef';
const prompt = 'do not repeat this anywhere';
const formats = ['text', 'json', 'stream-json'] as const;
type Format = (typeof formats)[number];

/** Two processors are kept busy, and the waits of one run are another's time. */
const atOnce = 6;
/** No deadline of a scenario is as long: whoever still runs then hangs. */
const hangAfter = 30_000;

/** Rows that need no more than flags can say. */
const scenarios = faultScenarios.filter(({ limits }) => limits?.maxEventBytes === undefined);

interface Turn {
  messages: { content: string }[];
  completion: Completion | null;
  verdict: string | null;
  error: { code: string; message: string } | null;
}

interface Completion {
  choices: { message: { content: string | null } }[];
}

interface Result {
  verdict: string | null;
  result: string;
  error: { code: string; message: string; hint: string } | null;
  completion: Completion | null;
}

let server: FaultServer;
let home: CliHome;
const runs = new Map<string, CliResult>();
const turns = new Map<string, Turn>();

const nameOf = (scenario: FaultScenario, format: Format): string => `${format}: ${scenario.name}`;
const runOf = (scenario: FaultScenario, format: Format): CliResult => runs.get(nameOf(scenario, format)) as CliResult;
const textOf = (completion: Completion | null | undefined): string => completion?.choices[0]?.message.content ?? '';

beforeAll(async () => {
  server = await startFaultServer(({ body }) => {
    const { messages } = JSON.parse(body) as { messages: { content: string }[] };
    const asked = messages.at(-1)?.content ?? '';
    return scenarios.find(({ name }) => asked.endsWith(`: ${name}`))?.acts ?? [];
  });
  home = new CliHome({ LITELLM_PROXY_URL: server.baseUrl, LITELLM_PROXY_API_KEY: key });
  const waiting = formats.flatMap((format) => scenarios.map((scenario) => ({ scenario, format })));
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      runs.set(nameOf(next.scenario, next.format), await play(next.scenario, next.format));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  for (const turn of await savedTurns()) turns.set(turn.messages[0]?.content.slice(prompt.length + 1) ?? '', turn);
}, 240_000);

afterAll(async () => {
  home.close();
  await server.close();
});

async function play(scenario: FaultScenario, format: Format): Promise<CliResult> {
  const name = nameOf(scenario, format);
  const record = home.at(`${format} ${scenarios.indexOf(scenario)}.recording`);
  const run = home.start([
    '--debug',
    ...Object.entries({ '--retries': '0', '--output-format': format, '--record': record }).flat(),
    ...limitFlags(scenario),
    `${prompt} ${name}`,
  ]);
  const hang = setTimeout(() => run.process.kill('SIGKILL'), hangAfter);
  const result = await run.result;
  clearTimeout(hang);
  return result;
}

function limitFlags({ limits = {} }: FaultScenario): string[] {
  const names = {
    firstTokenTimeout: '--first-token-timeout',
    idleTimeout: '--idle-timeout',
    timeout: '--timeout',
    maxReplyBytes: '--max-reply-bytes',
  } as const;
  return Object.entries(names).flatMap(([limit, flag]) => {
    const value = limits[limit as keyof typeof names];
    return value === undefined ? [] : [flag, String(value)];
  });
}

async function savedTurns(): Promise<Turn[]> {
  const { stdout } = await home.run(['history', 'export']);
  const lines = stdout.trimEnd().split('\n');
  return lines.flatMap((line) => (JSON.parse(line) as { turns?: Turn[] }).turns ?? []);
}

/** The table of design.md, for what these scenarios can lead to. */
function exitOf({ verdict, code }: FaultScenario): number {
  if (verdict === 'complete') return 0;
  if (verdict === 'length') return 8;
  if (verdict === 'timed_out') return 124;
  if (code === 'budget_exceeded') return 7;
  if (verdict !== null) return 3;
  return { key_rejected: 4, unexpected_response: 1 }[String(code)] ?? 5;
}

test('there are at least as many scenarios as openai-node was measured with', () => {
  expect(scenarios.length).toBeGreaterThanOrEqual(36);
});

describe.each(formats)('%s', (format) => {
  test.each(scenarios)('$name: $verdict, $code', (scenario) => {
    const { code, signal, stdout } = runOf(scenario, format);
    const turn = turns.get(nameOf(scenario, format));
    expect({ exit: code, signal }).toEqual({ exit: exitOf(scenario), signal: null });
    const saved = textOf(turn?.completion);
    const expected = { verdict: scenario.verdict, code: scenario.code, text: scenario.text ?? '' };
    const text = scenario.text === undefined ? { text: saved } : {};
    expect({ verdict: turn?.verdict, code: turn?.error?.code ?? null, text: saved }).toEqual({ ...expected, ...text });
    const { completion = null } = turn ?? {};
    // run-cli.ts has checked that the message events joined are the result's text.
    const printed = format === 'text' ? stdout : shownIn(JSON.parse(stdout.split('\n').at(-2) ?? '') as Result);
    expect(printed).toEqual(
      format === 'text' ? (saved === '' ? '' : `${saved}\n`) : { ...expected, ...text, completion },
    );
  });
});

function shownIn({ verdict, error, result, completion }: Result): Record<string, unknown> {
  return { verdict, code: error?.code ?? null, text: result, completion };
}

describe('all of them together', () => {
  test('leave nothing in the journal: every turn came to its end', () => {
    const journal = home.at('cllm', 'journal');
    expect(existsSync(journal) ? readdirSync(journal) : []).toEqual([]);
  });

  test('have the key in no output and in no file', () => {
    for (const [name, { stdout, stderr }] of runs) {
      expect({ name, isLeaked: (stdout + stderr).includes(key.slice(3)) }).toEqual({ name, isLeaked: false });
    }
    const files = readdirSync(home.directory, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['history.db']));
    expect(files.filter(({ name }) => name.endsWith('.recording')).length).toBeGreaterThan(scenarios.length);
    const leaks = files.filter((each) => readFileSync(path.join(each.parentPath, each.name)).includes(key.slice(3)));
    expect(leaks.map(({ name }) => name)).toEqual([]);
  });

  test('have the prompt and the reply in no message, hint or line of --debug', () => {
    for (const [name, { stdout, stderr }] of runs) {
      const error = name.startsWith('text') ? null : (JSON.parse(stdout.split('\n').at(-2) ?? '') as Result).error;
      const said = `${stderr} ${error?.message} ${error?.hint}`;
      expect({ name, quotes: /do not repeat|Hello|world/.exec(said) }).toEqual({ name, quotes: null });
      expect(stderr).toContain(`> POST ${server.baseUrl}/v1/chat/completions`);
    }
  });

  test('are over without a stack trace', () => {
    for (const [name, { stderr }] of runs) {
      expect({ name, trace: /\n\s+at .*/.exec(stderr)?.[0] ?? null }).toEqual({ name, trace: null });
    }
  });
});

test('a call that the length cut is no event, and kept', () => {
  const scenario = scenarios.find(({ name }) => name === 'a call that the length cut') as FaultScenario;
  expect(runOf(scenario, 'stream-json').stdout).not.toContain('"tool_use"');
  expect(JSON.stringify(turns.get(nameOf(scenario, 'text'))?.completion)).toContain('/et');
});

test('a deadline says which flag moves it', () => {
  const said = (name: string): string =>
    runOf(scenarios.find((each) => each.name === name) as FaultScenario, 'text').stderr;
  expect(said('a stall after text')).toMatch(/idle deadline[^]*--idle-timeout/);
  expect(said('a stall before the status line')).toMatch(/first-token deadline[^]*--first-token-timeout/);
  expect(said('text that never ends')).toMatch(/total deadline[^]*--timeout/);
  expect(said('302 to another host')).toContain('https://login.example.com');
  expect(said('a login page under status 200')).toContain('Sign in');
});

// Text and reset that are met in one poll are an end of file to libuv (`uv__stream_io`): only one after the text is told.
test('a reset is called a reset', async () => {
  let reset = (): void => undefined;
  const seen = new Promise<void>((resolve) => (reset = resolve));
  const resetting = await startFaultServer([head(), coded(event(textChunk('Hello'))), { gate: seen }, { reset: true }]);
  try {
    const run = home.start(['--retries', '0', 'go'], { env: { LITELLM_PROXY_URL: resetting.baseUrl } });
    await run.untilStdout('Hello');
    reset();
    const { code, stdout, stderr } = await run.result;
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'Hello\n' });
    expect(stderr).toContain('connection reset');
  } finally {
    await resetting.close();
  }
});

test('a redirect sends nothing to its target, neither key nor prompt', async () => {
  const target = await startFaultServer(streamed(...goodReply));
  const redirecting = await startFaultServer(({ body }) => {
    const status = /(\d{3})"/.exec(body)?.[1] ?? '302';
    return [
      `HTTP/1.1 ${status} Elsewhere\r\nLocation: ${target.baseUrl}/v1/chat/completions\r\nContent-Length: 0\r\n\r\n`,
    ];
  });
  try {
    const env = { LITELLM_PROXY_URL: redirecting.baseUrl };
    for (const status of [301, 302, 303, 307, 308]) {
      const { code, stderr } = await home.run(['--header', `x-litellm-key: ${key}`, `go ${status}`], { env });
      expect({ status, code, isNamed: stderr.includes(target.baseUrl) }).toEqual({ status, code: 5, isNamed: true });
    }
    expect(redirecting.requests.map((request) => request.head.split(key).length - 1)).toEqual([2, 2, 2, 2, 2]);
    expect(target.connectionCount).toBe(0);
  } finally {
    await redirecting.close();
    await target.close();
  }
});
