import { execFileSync } from 'node:child_process';
import { open } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { callReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/** Two processes in one conversation, one of which runs a tool of it. */

let upstream: FakeUpstream;
let home: CliHome;
/** The tool runs until somebody writes there. */
let fifo: string;
/** What the model calls first. */
let calls: string[][];

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  fifo = home.at('fifo');
  execFileSync('mkfifo', [fifo]);
  calls = [['cat', fifo]];
  upstream.fallback = (request) => {
    const isFirst = request.body.messages?.length === 1;
    if (isFirst) return callReply(calls.map((argv) => ({ name: 'run_command', args: { argv } })))(request);
    return textReply(`told: ${lastText(request)}`)(request);
  };
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const rule = ['--allow', 'cat *'];
const messagesOf = (at: number): Record<string, unknown>[] => [...(upstream.chatRequests.at(at)?.body.messages ?? [])];
const rolesOf = (at: number): unknown[] => messagesOf(at).map(({ role }) => role);

describe('while a tool runs', () => {
  test('another process neither runs it nor takes it for interrupted, and its result comes where its call is', async () => {
    const first = home.start([...rule, 'go']);
    // Opens once the program reads.
    const end = await open(fifo, 'w');

    const again = await home.run(['-c', ...rule]);
    expect(again).toMatchObject({
      code: 13,
      stderr: expect.stringMatching(/process \d+ runs the call of run_command still/),
    });
    const asked = await home.run(['-c', ...rule, 'what else?']);
    expect(asked).toMatchObject({ code: 13, stderr: expect.stringContaining('the prompt was not sent') });
    expect(upstream.chatRequests).toHaveLength(1);

    expect(await home.run(['-c', 'meanwhile'])).toMatchObject({ code: 0, stdout: 'told: meanwhile\n' });
    expect(messagesOf(-1)[2]).toMatchObject({ role: 'tool', content: expect.stringContaining('runs still') });

    await end.write('late');
    await end.close();
    expect(await first.result).toMatchObject({ code: 0, stdout: expect.stringContaining('late') });
    expect(rolesOf(-1)).toEqual(['user', 'assistant', 'tool']);

    expect(await home.run(['-c', 'and now?'])).toMatchObject({ code: 0 });
    expect(rolesOf(-1)).toEqual(['user', 'assistant', 'tool', 'user', 'assistant', 'assistant', 'user']);
    expect(messagesOf(-1)[2]).toMatchObject({ content: expect.stringContaining('late') });
  });

  test('a process that is killed runs it no more, and what ended before is told as it was', async () => {
    calls.push(['ls', home.at('nowhere')]);
    const rules = [...rule, '--allow', 'ls *'];
    const first = home.start([...rules, 'go']);
    const end = await open(fifo, 'w');
    await first.untilStderr('tool failed run_command');
    first.process.kill('SIGKILL');
    await first.result;
    await end.close();
    const run = await home.run(['-c', ...rules, '--output-format', 'stream-json']);
    expect(run.code).toBe(0);
    // Events and their order are looked at as the command ends.
    const events = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.filter(({ type }) => type === 'tool_result')).toMatchObject([
      { output: expect.stringMatching(/^This call was begun and interrupted/), is_error: true },
      { output: expect.stringMatching(/^exit code 2\n/), is_error: true },
    ]);
    expect(messagesOf(-1).slice(2)).toMatchObject([
      { content: expect.stringMatching(/^This call was begun and interrupted/) },
      { content: expect.stringMatching(/^<untrusted-tool-result from="run_command">\nexit code 2\n/) },
    ]);
  });

  test.each([false, true])(
    'its conversation is deleted: nothing more is asked, and nothing comes back (a fork: %j)',
    async (isForked) => {
      const first = home.start([...rule, '-C', 'plan', '--output-format', 'json', 'go']);
      const end = await open(fifo, 'w');
      if (isForked) await home.run(['history', 'fork', 'plan']);
      expect(await home.run(['history', 'delete', 'plan', '--yes'])).toMatchObject({ code: 0 });
      await end.write('late');
      await end.close();
      const { code, stdout } = await first.result;
      expect(code).toBe(10);
      expect(JSON.parse(stdout)).toMatchObject({
        error: { code: 'history_unsaved', message: expect.stringContaining('deleted while its tools ran') },
        usage: { input_tokens: 9 },
        steps: [{ tool_calls: [{ tool_name: 'run_command', is_error: false }] }],
      });
      expect(upstream.chatRequests).toHaveLength(1);
      expect(await home.run(['recover'])).toMatchObject({ code: 0, stdout: '' });
    },
  );
});
