import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  errorReply,
  type FakeUpstream,
  finishChunk,
  startFakeUpstream,
  type Step,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
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

const half: Step = { data: textChunk('Half a', { role: 'assistant' }) };
const stall: Step = { stall: true };

interface ShownTurn {
  verdict: string | null;
  error: { code: string } | null;
  completion: { choices: { message: { content: string } }[] } | null;
}

async function lastTurn(): Promise<ShownTurn> {
  const { stdout } = await home.run(['history', 'show', '--format', 'json']);
  return (JSON.parse(stdout) as { turns: ShownTurn[] }).turns.at(-1) as ShownTurn;
}

/** Of the turns in flight. */
function journaledBytes(): number {
  const directory = home.at('cllm', 'journal');
  return readdirSync(directory).reduce((sum, name) => sum + statSync(path.join(directory, name)).size, 0);
}

const textOfTurn = (turn: ShownTurn): string | undefined => turn.completion?.choices[0]?.message.content;

describe('a signal', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s stops the request, keeps what came and exits with %d', async (signal, code) => {
    upstream.reply({ steps: [half, stall] });
    const run = home.start(['hi']);
    await run.untilStdout('Half a');
    run.process.kill(signal);
    const result = await run.result;
    expect(result).toMatchObject({ code, stdout: 'Half a\n', stderr: expect.stringContaining('interrupted') });
    expect(await upstream.chatRequests[0]?.hungUp).toBe(true);
    const turn = await lastTurn();
    expect(turn).toMatchObject({ verdict: 'interrupted', error: { code: 'interrupted' } });
    expect(textOfTurn(turn)).toBe('Half a');
  });

  test('before the first byte leaves a turn without a reply', async () => {
    let tellAsked = (): void => {};
    const asked = new Promise<void>((resolve) => (tellAsked = resolve));
    upstream.reply(() => {
      tellAsked();
      return { gate: new Promise(() => {}) };
    });
    const run = home.start(['hi']);
    await asked;
    run.process.kill('SIGINT');
    expect(await run.result).toMatchObject({ code: 130, stdout: '' });
    expect(await lastTurn()).toMatchObject({ verdict: 'interrupted', completion: null });
  });

  test('ends the wait before another try', async () => {
    upstream.reply(errorReply(503, 'busy', { headers: { 'retry-after': '60' } }));
    const run = home.start(['hi']);
    await run.untilStderr('try 2 of 3');
    run.process.kill('SIGTERM');
    expect(await run.result).toMatchObject({ code: 143, stdout: '' });
  });

  test('ends the wait for standard input', async () => {
    const run = home.start([], { stdio: ['pipe', 'pipe', 'pipe'] });
    await run.untilStderr('waiting for standard input');
    run.process.kill('SIGINT');
    expect(await run.result).toMatchObject({ code: 130, stdout: '' });
  });

  test('saves the turn though the reader is stuck, and a second one exits at once', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    upstream.reply({ steps: [half, { gate: released }, { data: textChunk('x'.repeat(1_000_000)) }, stall] });
    const run = home.start(['hi'], { isCutShort: true });
    await run.untilStdout('Half a');
    run.process.stdout?.pause();
    release();
    // Journaled first, then written to a pipe that does not take it.
    while (journaledBytes() < 1_000_000) await new Promise((resolve) => setImmediate(resolve));
    run.process.kill('SIGINT');
    await run.untilStderr('interrupted');
    expect(run.process.exitCode).toBeNull();
    const turn = await lastTurn();
    expect(turn.verdict).toBe('interrupted');
    expect(textOfTurn(turn)).toMatch(/^Half ax+$/);
    const ended = new Promise((resolve) => run.process.once('exit', resolve));
    run.process.kill('SIGINT');
    expect(await ended).toBe(130);
    run.process.stdout?.resume();
    await run.result;
  });

  test('is not forgotten when the reader wakes up: what came is printed whole', async () => {
    const text = 'x'.repeat(1_000_000);
    upstream.reply({ steps: [half, { data: textChunk(text) }, stall] });
    const run = home.start(['hi', '--output-format', 'stream-json']);
    await run.untilStdout('Half a');
    run.process.stdout?.pause();
    run.process.kill('SIGTERM');
    await upstream.chatRequests[0]?.hungUp;
    run.process.stdout?.resume();
    const { code, stdout } = await run.result;
    expect(code).toBe(143);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) as string)).toMatchObject({ verdict: 'interrupted' });
  });
});

describe('a reader that closes the pipe', () => {
  test.each(['text', 'stream-json'])('stops the request; the turn is kept, exit 0 (%s)', async (format) => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    upstream.reply({ steps: [half, { gate: released }, { data: textChunk(' more') }, stall] });
    const run = home.start(['hi', '--output-format', format], { isCutShort: true });
    await run.untilStdout('Half a');
    run.process.stdout?.destroy();
    release();
    const { code, stderr } = await run.result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('cllm:') });
    expect(await upstream.chatRequests[0]?.hungUp).toBe(true);
    const turn = await lastTurn();
    expect(turn.verdict).toBe('interrupted');
    expect(textOfTurn(turn)).toBe('Half a more');
  });

  test('is no failure of the command line it stands in', async () => {
    upstream.reply(textReply('one\ntwo\nthree\n', { pieceLength: 4, pace: 50 }));
    const { code, stdout } = await home.shell('set -o pipefail; cllm -q hi | head -1');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'one\n' });
  });

  test('does not hide that the turn could not be saved', async () => {
    writeFileSync(home.at('cllm'), 'in the way');
    upstream.reply(textReply('one\ntwo\nthree\n', { pieceLength: 4, pace: 50 }));
    expect((await home.shell('set -o pipefail; cllm -q hi 2>/dev/null | head -1')).code).toBe(10);
  });
});

describe('a full disk under standard output is no success', () => {
  test.each(['text', 'json', 'stream-json'])('%s', async (format) => {
    const { code, stderr } = await home.shell(`cllm --output-format ${format} hi > /dev/full`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cllm: standard output could not be written: .*ENOSPC/);
    expect((await lastTurn()).verdict).toBe('complete');
  });

  test('nor is it for commands without a turn', async () => {
    expect((await home.shell('cllm help exit-codes > /dev/full')).code).toBe(1);
    const { code, stderr } = await home.shell('cllm --version > /dev/full');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cllm: standard output could not be written: ENOSPC.*\n$/);
  });

  test('a version that nobody reads is no failure', async () => {
    const { stdout, stderr } = await home.shell('{ sleep 0.1; cllm --version; echo "code $?" >&2; } | true');
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: 'code 0\n' });
  });

  test('and the error of the reply itself still decides', async () => {
    upstream.reply({ steps: [half] });
    expect((await home.shell('cllm hi > /dev/full')).code).toBe(3);
  });
});

describe('standard error', () => {
  test.each([
    ['closed by its reader', 'cllm hi 2> >(exec true)'],
    ['on a full disk', 'cllm hi 2> /dev/full'],
    ['closed', 'cllm hi 2>&-'],
  ])('%s harms nothing', async (_name, line) => {
    const { code, stdout } = await home.shell(line);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello.\n' });
  });

  test('closed by its reader does not keep an error from its exit code', async () => {
    upstream.reply({ steps: [half, { data: finishChunk('content_filter') }] });
    expect((await home.shell('cllm hi 2> >(exec true)')).code).toBe(3);
  });
});
