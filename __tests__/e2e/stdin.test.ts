import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
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

const prompts = (): unknown[] => upstream.chatRequests.map((request) => request.body.messages?.at(-1)?.content);

describe('the prompt is', () => {
  test.each<[string, string, string]>([
    ['the words', 'cllm why is it so', 'why is it so'],
    ['the words, whatever they look like, after --', 'cllm -- history -m -', 'history -m -'],
    ['the words of ask, a command name among them', 'cllm ask history list', 'history list'],
    ['a pipe', 'printf "from a pipe\\n" | cllm', 'from a pipe\n'],
    ['a pipe, named by -', 'printf "from a pipe" | cllm -', 'from a pipe'],
    ['a file', 'cllm < file.txt', 'from a file\n'],
    ['text about PDFs', 'printf "%%PDF-1.4 is how one begins" | cllm', '%PDF-1.4 is how one begins'],
    [
      'the words, then a pipe as a block',
      'echo test | cllm "what is this?"',
      'what is this?\n\n<stdin>\ntest\n</stdin>',
    ],
    ['the words, then a file as a block', 'cllm what < file.txt', 'what\n\n<stdin>\nfrom a file\n</stdin>'],
    ['the words around -, then a pipe', 'printf test | cllm sum - up', 'sum up\n\n<stdin>\ntest\n</stdin>'],
    ['the words, with a pipe that is empty', 'true | cllm hi there', 'hi there'],
    ['the words, with /dev/null', 'cllm hi there < /dev/null', 'hi there'],
    ['the words, with a closed standard input', 'cllm hi there <&-', 'hi there'],
    ['the words, with a pipe that --no-stdin leaves alone', 'echo test | cllm --no-stdin hi', 'hi'],
    ['a pipe whose words are empty', 'echo test | cllm ""', 'test\n'],
    ['a pipe with a slow start', '{ read -t 0.3 < <(sleep 9); echo late; } | cllm', 'late\n'],
  ])('%s', async (_name, line, prompt) => {
    writeFileSync(home.at('file.txt'), 'from a file\n');
    const { code, stderr } = await home.shell(line);
    expect({ code, prompts: prompts() }).toEqual({ code: 0, prompts: [prompt] });
    expect(stderr).not.toContain('waiting');
  });

  test('read to its end, though it comes in pieces, with characters cut in two', async () => {
    const run = home.start(['-q'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const bytes = Buffer.from('wörld 😀');
    for (const byte of bytes) {
      await new Promise((resolve) => run.process.stdin?.write(Buffer.from([byte]), resolve));
    }
    run.process.stdin?.end();
    await run.result;
    expect(prompts()).toEqual(['wörld 😀']);
  });

  test('100 MB through a pipe, whole', async () => {
    const size = 100 * 1024 * 1024;
    const { code, stderr } = await home.shell(`head -c ${size} /dev/zero | tr '\\0' x | cllm -q --ephemeral`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [prompt] = prompts() as [string];
    expect(prompt.length).toBe(size);
    expect(/[^x]/.test(prompt)).toBe(false);
  }, 60_000);

  test('a line of a loop, whose input --no-stdin leaves to the loop', async () => {
    const loop = 'printf "one\\ntwo\\nthree\\n" | while read line; do cllm -q --no-stdin "$line" > /dev/null; done';
    expect((await home.shell(loop)).code).toBe(0);
    expect(prompts()).toEqual(['one', 'two', 'three']);
  });
});

describe('a silent pipe', () => {
  test('is named on stderr, and is a prompt all the same when it comes', async () => {
    const run = home.start(['hi'], { stdio: ['pipe', 'pipe', 'pipe'] });
    await run.untilStderr('cllm: waiting for standard input; --no-stdin ignores it');
    run.process.stdin?.end('at last');
    expect((await run.result).code).toBe(0);
    expect(prompts()).toEqual(['hi\n\n<stdin>\nat last\n</stdin>']);
  });

  test('is a mistake after --stdin-timeout', async () => {
    const run = home.start(['--stdin-timeout', '0.2', 'hi'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const { code, stderr } = await run.result;
    expect(code).toBe(2);
    expect(stderr).toContain('silent for 0.2 s');
    expect(stderr).toContain('--no-stdin');
    expect(upstream.requests).toEqual([]);
  });

  test('does not matter with --no-stdin', async () => {
    const { code } = await home.start(['--no-stdin', 'hi'], { stdio: ['pipe', 'pipe', 'pipe'] }).result;
    expect(code).toBe(0);
  });
});

describe('a mistake, exit 2, before anything is asked, is', () => {
  test.each<[string, string, RegExp]>([
    ['an empty pipe without words', 'true | cllm', /standard input is empty[^]*usage:/],
    ['white space', 'echo " " | cllm', /standard input is empty/],
    ['/dev/null without words', 'cllm < /dev/null', /standard input is empty/],
    ['a closed standard input without words', 'cllm <&-', /standard input is empty/],
    ['no words and --no-stdin', 'echo hi | cllm --no-stdin', /no prompt/],
    ['- and --no-stdin', 'echo hi | cllm - --no-stdin', /--no-stdin/],
    ['a directory', 'cllm < .', /standard input is empty/],
    ['bytes that are no UTF-8', 'printf "hi\\377there" | cllm', /offset 2/],
    ['a character that the end tears', 'printf "abc\\303" | cllm', /offset 3/],
    ['a timeout that is none', 'echo hi | cllm --stdin-timeout soon', /--stdin-timeout soon is not a number/],
  ])('%s', async (_name, line, message) => {
    const { code, stdout, stderr } = await home.shell(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
    expect(upstream.requests).toEqual([]);
  });
});
