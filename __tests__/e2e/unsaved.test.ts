import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chmodSync, readdirSync } from 'node:fs';
import { DatabaseSync } from '../support/sqlite.ts';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
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

test('a history that stays locked costs exit 10; the reply is shown, kept in the journal, and recover puts it in its place', async () => {
  upstream.reply(textReply('one'), textReply('two'));
  await home.run(['-C', 'x', 'first']);
  const other = new DatabaseSync(home.at('cllm', 'history.db'));
  other.exec('BEGIN IMMEDIATE');
  const { code, stdout, stderr } = await home.run(['-C', 'x', 'second']);
  other.exec('COMMIT');
  other.close();
  expect({ code, stdout }).toEqual({ code: 10, stdout: 'two\n' });
  expect(stderr).toContain('cllm recover');
  const [file] = readdirSync(home.at('cllm', 'journal'));
  expect(stderr).toContain(home.at('cllm', 'journal', String(file)));
  // The context was read all the same.
  expect(upstream.chatRequests[1]?.body.messages).toHaveLength(3);

  await home.run(['recover', '--yes']);
  const { turns } = JSON.parse((await home.run(['history', 'show', 'x', '--format', 'json'])).stdout);
  expect(turns).toMatchObject([
    { seq: 1, verdict: 'complete' },
    {
      seq: 2,
      verdict: 'complete',
      messages: [{ content: 'second' }],
      completion: { choices: [{ message: { content: 'two' } }] },
    },
  ]);
});

test('a full reply is shown though nothing can be written at all, and -o says whole replies only', async () => {
  upstream.reply(textReply('shown'));
  const { code, stdout, stderr } = await home.run(['-o', home.at('out.txt'), 'hi'], {
    env: { CLLM_HOME: '/proc/cllm' },
  });
  expect({ code, stdout }).toEqual({ code: 10, stdout: 'shown\n' });
  expect(stderr).toContain('could not be saved');
  expect(readdirSync(home.directory)).toContain('out.txt');
});

test('a newer history is refused untouched, and the reply is shown', async () => {
  await home.run(['hi']);
  const database = new DatabaseSync(home.at('cllm', 'history.db'));
  database.exec('PRAGMA user_version = 9999');
  database.close();
  chmodSync(home.at('cllm', 'history.db'), 0o600);
  const { code, stdout, stderr } = await home.run(['hi']);
  expect({ code, stdout }).toEqual({ code: 10, stdout: 'Hello.\n' });
  expect(stderr).toMatch(/newer/);
});
