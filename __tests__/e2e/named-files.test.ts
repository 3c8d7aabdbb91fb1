import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = textReply('Hello.');
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  execFileSync('mkfifo', [home.at('fifo')]);
  writeFileSync(home.at('items.txt'), 'one\n');
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const prompts = (): unknown[] => upstream.chatRequests.map((request) => request.body.messages?.at(-1)?.content);

describe('a pipe without a writer is waited for, named, and left with Ctrl-C', () => {
  test.each<[string, string[]]>([
    ['-f fifo', ['-f', 'fifo', 'hi']],
    ['-s fifo', ['-s', '@fifo', 'hi']],
    ['--output-schema fifo', ['--output-schema', 'fifo', 'hi']],
    ['--tools fifo', ['--tools', 'fifo', 'hi']],
    ['--cert fifo', ['--cert', 'fifo', 'hi']],
    ['--api-key-file fifo', ['--api-key-file', 'fifo', 'hi']],
    ['fifo', ['batch', 'fifo', '-o', 'out.jsonl']],
    ['fifo', ['history', 'import', 'fifo']],
  ])('%s: cllm %j', async (name, args) => {
    const run = home.start(args);
    await run.untilStderr('waiting for ');
    run.process.kill('SIGINT');
    const { code, signal, stderr } = await run.result;
    expect({ code, signal }).toEqual({ code: 130, signal: null });
    expect(stderr).toMatch(new RegExp(`^cllm: waiting for (?:${name}|.*/fifo)$`, 'm'));
    expect(upstream.chatRequests).toEqual([]);
  });

  test('also when its writer is silent', async () => {
    const writer = openSync(home.at('fifo'), 'r+');
    try {
      const run = home.start(['-f', 'fifo', 'hi']);
      await run.untilStderr('waiting for ');
      run.process.kill('SIGINT');
      expect((await run.result).code).toBe(130);
    } finally {
      closeSync(writer);
    }
  });
});

test.each<[string, string[]]>([
  ['items on standard input', ['batch', '-', '-o', 'out.jsonl']],
  ['standard input', ['history', 'import']],
])('Ctrl-C ends the wait for %s', async (what, args) => {
  const run = home.start(args, { stdio: ['pipe', 'pipe', 'pipe'] });
  await run.untilStderr(`waiting for ${what}`);
  run.process.kill('SIGINT');
  expect((await run.result).code).toBe(130);
});

test('a key may come through a pipe, so that it stands in no file', async () => {
  const key = 'sk-of-a-password-manager';
  const run = home.start(['--api-key-file', 'fifo', 'hi']);
  writeFileSync(home.at('fifo'), `${key}\n`);
  expect((await run.result).code).toBe(0);
  expect(upstream.chatRequests[0]?.headers.authorization).toBe(`Bearer ${key}`);
});

test.each([['nowhere', 'cannot be read (ENOENT)']])('--api-key-file %s is refused: %s', async (name, why) => {
  const { code, stderr } = await home.run(['--api-key-file', name, 'hi']);
  expect(code).toBe(2);
  expect(stderr).toContain(`--api-key-file ${name}: ${why}`);
  expect(upstream.chatRequests).toEqual([]);
});

test('a pipe that -o names and nobody reads is left with Ctrl-C, and the reply is kept', async () => {
  const run = home.start(['-o', 'fifo', 'hi']);
  await run.untilStderr('waiting for a reader of -o fifo');
  run.process.kill('SIGINT');
  const { code, stdout } = await run.result;
  expect({ code, stdout }).toEqual({ code: 130, stdout: 'Hello.\n' });
  expect((await home.run(['history', 'show'])).stdout).toContain('Hello.');
});

test.each<[string, string, string]>([
  ['a process substitution', 'cllm -f <(printf late) hi', 'late'],
  ['one that writes late', 'cllm -f <(sleep 0.3; printf late) hi', 'late'],
  ['one without a word', 'cllm -f <(true) hi', ''],
  ['a FIFO whose writer comes first', '(printf late > fifo) & cllm -f fifo hi', 'late'],
  ['a FIFO whose writer comes later', 'cllm -f fifo hi & sleep 0.5; printf late > fifo; wait $!', 'late'],
  ['/dev/stdin, a pipe', 'printf late | cllm -f /dev/stdin hi', 'late'],
  ['/dev/null', 'cllm -f /dev/null hi', ''],
])('-f takes %s', async (_name, line, text) => {
  const { code, stderr } = await home.shell(line);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const [, content] = /^hi\n\n<file name="[^"]*">\n(.*)\n<\/file>$/s.exec(String(prompts()[0])) ?? [];
  expect(content ?? prompts()[0]).toBe(text);
});

test('-f takes 20 MB through a pipe, whole', async () => {
  const text = randomBytes(10_000_000).toString('hex');
  writeFileSync(home.at('large.txt'), text);
  expect((await home.shell('cllm -f <(cat large.txt) hi')).code).toBe(0);
  expect(String(prompts()[0])).toContain(text);
});

test('-s, --output-schema, --tools, batch and -o take process substitutions', async () => {
  upstream.fallback = textReply('{}');
  const { code, stderr } = await home.shell(
    `cllm -q -s @<(echo be brief) --tools <(echo '[{"type":"function"}]') --output-schema <(echo '{"type":"object"}') -o >(cat > copy) hi && cllm batch <(cat items.txt) -o out.jsonl`,
  );
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(upstream.chatRequests[0]?.body).toMatchObject({
    messages: [{ role: 'system', content: 'be brief\n' }, { content: 'hi' }],
    tools: [{ type: 'function' }],
    response_format: { json_schema: { schema: { type: 'object' } } },
  });
  expect(prompts()[1]).toBe('one');
  expect(readFileSync(home.at('copy'), 'utf8')).toBe('{}');
});

test.each<[string, string[]]>([
  ['replay', ['replay', 'fifo']],
  ['the results of batch', ['batch', 'items.txt', '-o', 'fifo']],
])('%s wants a regular file, and says so at once', async (_name, args) => {
  const { code, stderr } = await home.run(args);
  expect(code).toBe(2);
  expect(stderr).toContain('regular file');
});

test.each<[string, string]>([
  ['gone', 'cannot be read (ENOENT)'],
  ['/dev/zero', 'is no file'],
])('-f %s is refused', async (name, why) => {
  const { code, stderr } = await home.run(['-f', name, 'hi']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`-f ${name}: ${why}`) });
});

test('compare reads the pipe of --tools once for all models', async () => {
  const tools = JSON.stringify([{ type: 'function', function: { name: 'look' } }]);
  const { code, stderr } = await home.shell(`cllm compare -m a -m b -m c --tools <(echo '${tools}') hi`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(upstream.chatRequests.map(({ body }) => body['tools'])).toEqual(
    Array.from({ length: 3 }, () => JSON.parse(tools)),
  );
  expect(new Set(upstream.chatRequests.map(({ body }) => body.model))).toEqual(new Set(['a', 'b', 'c']));
});

test('batch reads the pipe of --cacert once', async () => {
  const { code, stderr } = await home.shell('cllm batch items.txt -o out.jsonl -q --cacert <(echo PEM)');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
