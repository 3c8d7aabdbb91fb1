import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  errorReply,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
  type ScriptedReply,
} from '../support/fake-upstream.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/**
 * A key is sent to the proxy, and shown and kept nowhere; a prompt and a reply stand in no message. faults.test.ts looks
 * for them after every fault; here are an upstream that repeats what it was told, and the other commands.
 */
const key = 'sk-canary-0123456789abcdef';
const prompt = 'a prompt that is nobody else’s business';

let upstream: FakeUpstream;
let home: CliHome;
let outputs: string[];

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, LITELLM_PROXY_API_KEY: key });
  outputs = [];
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

async function run(args: readonly string[], stdin?: string): Promise<CliResult> {
  const result = await home.run(args, stdin === undefined ? {} : { stdin });
  outputs.push(result.stdout, result.stderr);
  return result;
}

/** The outputs and files that hold the text; a name for each. */
function holders(text: string): string[] {
  const files = readdirSync(home.directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => path.join(each.parentPath, each.name));
  return [
    ...outputs.filter((output) => output.includes(text)),
    ...files.filter((file) => readFileSync(file).includes(text)),
  ];
}

describe('an upstream that repeats the key and the prompt', () => {
  const quote = `Authentication Error: got ${key}, as in "Authorization: Bearer ${key}", for "${prompt}"`;
  const replies: [string, ScriptedReply][] = [
    ['in a 401', errorReply(401, quote, { type: 'auth_error' })],
    ['in a 400', errorReply(400, quote, { type: quote, code: quote, param: quote })],
    ['in a 429', errorReply(429, quote, { headers: { 'retry-after': '0' } })],
    ['in a 500', errorReply(500, quote)],
    [
      'in a page',
      { status: 502, headers: { 'content-type': 'text/html' }, body: `<html><title>${quote}</title></html>` },
    ],
    ['in a page under status 200', { headers: { 'content-type': 'text/html' }, body: `<title>${quote}</title>` }],
    ['in a redirect', { status: 302, headers: { location: `https://sso.test/${key}?key=${key}` }, body: quote }],
    ['in an error under status 200', { body: { error: { message: quote, code: '500' } } }],
    [
      'in headers',
      {
        headers: {
          'x-litellm-call-id': key,
          'x-litellm-model-id': key,
          'x-litellm-model-api-base': `https://me:${key}@provider.test/v1?key=${key}`,
          'x-request-id': `Bearer ${key}`,
          'set-cookie': `session=${key}`,
          'x-echo': key,
        },
        steps: [{ data: textChunk('Hi.') }, { data: finishChunk() }, { data: '[DONE]' }],
      },
    ],
    [
      'in an error frame',
      { steps: [{ data: textChunk('Hi.') }, { data: { error: { message: quote, type: quote, code: '500' } } }] },
    ],
    ['in a data line that is no JSON', { steps: [{ data: textChunk('Hi.') }, { data: `{${quote}` }] }],
  ];

  test.each(replies)('%s', async (_name, reply) => {
    upstream.fallback = () => reply;
    for (const format of ['text', 'json', 'stream-json']) {
      const record = home.at(`${format}.recording`);
      await run(['--debug', '--retries', '1', '--output-format', format, '--record', record, prompt]);
    }
    await run(['history', 'show', '--format', 'json']);
    expect(upstream.chatRequests[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(holders(key.slice(3))).toEqual([]);
    // The prompt is in the history, where it belongs, and in nothing that was said.
    expect(outputs.slice(0, -2).filter((output) => output.includes(prompt))).toEqual([]);
  });
});

test.each<[string, string[], Record<string, string>]>([
  ['of a file', ['--api-key-file', 'the-key'], { LITELLM_PROXY_API_KEY: '' }],
  ['in a header of another name', ['--header', `x-litellm-key: ${key}`], {}],
  ['with white space around it', [], { LITELLM_PROXY_API_KEY: `  ${key}\n` }],
])('a key %s is sent and not shown', async (_name, args, env) => {
  writeFileSync(home.at('the-key'), `${key}\n`);
  Object.assign(home.env, env);
  upstream.reply(errorReply(401, `no such key: ${key}`));
  expect((await run(['--debug', ...args, prompt])).code).toBe(4);
  expect(JSON.stringify(upstream.chatRequests[0]?.headers)).toContain(key);
  expect(holders(key.slice(3))).toEqual([home.at('the-key')]);
});

test('no other command shows the key', async () => {
  upstream.fallback = (request) =>
    request.path.includes('key/info') ? errorReply(400, `no such key: ${key}`) : textReply('Hello.')(request);
  await run([prompt]);
  writeFileSync(home.at('prompts.txt'), `${prompt}\n`);
  for (const args of [
    ['whoami', '--debug'],
    ['models', '--debug'],
    ['doctor', '--debug'],
    ['doctor', '--json'],
    ['config', 'list'],
    ['config', 'explain'],
    ['config', 'path'],
    ['init'],
    ['batch', 'prompts.txt', '-o', 'results.jsonl', '--debug'],
    ['history', 'list'],
    ['history', 'show'],
    ['history', 'export'],
    ['history', 'verify'],
    ['recover'],
  ]) {
    await run(args);
  }
  expect(outputs.join('')).toContain('Hello.');
  expect(holders(key.slice(3))).toEqual([]);
});

test('a key that is entered is in one file, which only its owner reads', async () => {
  home.env['LITELLM_PROXY_API_KEY'] = undefined;
  expect((await run(['login', '--debug'], `${key}\n`)).code).toBe(0);
  expect((await run(['--debug', prompt])).code).toBe(0);
  await run(['whoami']);
  await run(['config', 'list']);
  expect(upstream.chatRequests.at(-1)?.headers.authorization).toBe(`Bearer ${key}`);
  const [file = '', ...others] = holders(key.slice(3));
  expect({ name: path.basename(file), others, mode: statSync(file).mode & 0o777 }).toEqual({
    name: 'credentials.json',
    others: [],
    mode: 0o600,
  });
});

test('a journal that a kill left behind has no key, nor has what is recovered from it', async () => {
  upstream.reply({ steps: [{ data: textChunk('Half a', { role: 'assistant' }) }, { stall: true }] });
  const killed = home.start(['--debug', prompt]);
  await killed.untilStdout('Half a');
  killed.process.kill('SIGKILL');
  const { stderr } = await killed.result;
  outputs.push(stderr);
  expect(readdirSync(home.at('cllm', 'journal'))).not.toEqual([]);
  expect(holders(key.slice(3))).toEqual([]);
  expect((await run(['recover', '--yes'])).code).toBe(0);
  expect((await run(['history', 'show'])).stdout).toContain('Half a');
  expect(holders(key.slice(3))).toEqual([]);
});

test('the password of an HTTP proxy goes to that proxy alone', async () => {
  const httpProxy = await startHttpProxy();
  try {
    home.env['HTTP_PROXY'] = `http://me:pass-canary@127.0.0.1:${httpProxy.port}`;
    home.env['LITELLM_PROXY_URL'] = `http://litellm.test:${upstream.port}`;
    expect((await run(['--debug', prompt])).code).toBe(0);
    httpProxy.refusal = 407;
    await run(['--debug', prompt]);
    await run(['doctor', '--json']);
    await run(['config', 'explain']);
    expect(httpProxy.requests[0]?.authorization).toBe(`Basic ${Buffer.from('me:pass-canary').toString('base64')}`);
    expect(upstream.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
    expect(holders('pass-canary')).toEqual([]);
  } finally {
    await httpProxy.close();
  }
});

test('a reply that repeats the key is recorded without it, also where a read cuts it, and replays to the same text', async () => {
  const echo = `data: ${JSON.stringify(textChunk('Hi. '))}\n\ndata: ${JSON.stringify(textChunk(`your key is ${key}, is it?`))}\n\n`;
  const cut = echo.indexOf(key) + 9;
  let goOn = (): void => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  upstream.reply({
    steps: [
      { raw: echo.slice(0, cut) },
      { gate },
      { raw: echo.slice(cut) },
      { data: finishChunk() },
      { data: '[DONE]' },
    ],
  });
  const running = home.start(['--record', 'the.recording', '-q', prompt]);
  await running.untilStdout('Hi.');
  goOn();
  const { stdout } = await running.result;
  expect(stdout).toContain(key);
  expect(readFileSync(home.at('the.recording'), 'utf8')).not.toContain(key.slice(3));
  const replayed = await home.run(['replay', 'the.recording', '-q']);
  expect(replayed).toMatchObject({ code: 0, stdout: stdout.replace(key, '*'.repeat(key.length)) });
});
