import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  upstream.reply(
    textReply('Use **sk-abcdefghijklmnop**, says jane@x.example.'),
    textReply('<script>alert(1)</script>'),
  );
  await home.run(['-q', '-C', 'plan', `who reads ${home.directory}/a and /home/jane/b?`]);
  await home.run(['-q', '-C', 'a/b ..', 'second']);
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

test('piped, the page goes to standard output, of the latest conversation or of a named one', async () => {
  const latest = await home.run(['history', 'share']);
  expect(latest).toMatchObject({ code: 0, stderr: '' });
  expect(latest.stdout).toMatch(/^<!doctype html>\n[^]*&lt;script&gt;alert\(1\)&lt;\/script&gt;[^]*<\/html>\n$/);
  expect(latest.stdout).not.toContain('<script');
  const named = await home.run(['history', 'share', 'plan']);
  expect(named.stdout).toContain('<strong>sk-abcdefghijklmnop</strong>');
  expect(named.stdout).toMatch(/<p class="receipt"><bdi>test-model · /);
  expect(named.stderr).toBe('cllm: the page holds 1 key; --redact takes such things out\n');
});

test('--redact takes out keys, addresses and homes, and says how many before the file is there', async () => {
  const { code, stderr } = await home.run(['history', 'share', 'plan', '--redact', '-o', 'out.html']);
  expect({ code, lines: stderr.split('\n') }).toEqual({
    code: 0,
    lines: ['cllm: taken out: 4 home paths, 1 key, 1 e-mail address', 'cllm: wrote out.html', ''],
  });
  const page = readFileSync(home.at('out.html'), 'utf8');
  expect(page).toContain('who reads ~/a and ~/b?');
  expect(page).toContain('Use <strong>sk-…</strong>, says …@….');
  expect(page).toContain('Taken out of it: 4 home paths, 1 key, 1 e-mail address.');
  // Its title is the beginning of the prompt, of which an address may be cut.
  expect(page).not.toMatch(/jane|cllm-test/);
  upstream.reply(textReply('It is in postgres://joe:secret@db.example/x and in Word-Known-To-Env.'));
  await home.run(['-q', 'where?']);
  const known = await home.run(['history', 'share', '--redact'], { env: { OTHER_TOKEN: 'Word-Known-To-Env' } });
  expect(known.stderr).toBe('cllm: taken out: 1 password in a URL, 1 known key\n');
  expect(known.stdout).not.toMatch(/secret|Word-Known/);
  const none = await home.run(['history', 'share', 'a/b ..', '--redact', '-o', 'out.html']);
  expect(none.stderr).toContain('nothing to take out was found');
});

test('-o replaces what it names with a private file, and refuses what can not be written before it reads anything', async () => {
  expect((await home.run(['history', 'share', '-o', 'page.html'])).code).toBe(0);
  expect(statSync(home.at('page.html')).mode & 0o777).toBe(0o600);
  expect((await home.run(['history', 'share', 'plan', '-o', 'page.html'])).code).toBe(0);
  expect(readFileSync(home.at('page.html'), 'utf8')).toContain('<title>plan</title>');
  mkdirSync(home.at('folder'));
  for (const [output, reason] of [
    ['folder', 'EISDIR'],
    ['no/page.html', 'ENOENT'],
    ['-', '- is none'],
  ] as const) {
    const { code, stderr, stdout } = await home.run(['history', 'share', '-o', output]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(reason);
  }
});

test('at a terminal it is a file of the name of the conversation, and nothing that is there is overwritten', async () => {
  const shared = async (...words: string[]): Promise<{ code: number; output: string }> => {
    const terminal = new Terminal(home, ['history', 'share', ...words]);
    return { code: await terminal.exitCode, output: terminal.output };
  };
  expect(await shared('plan')).toMatchObject({ code: 0, output: expect.stringContaining('wrote plan.html') });
  expect(statSync(home.at('plan.html')).mode & 0o777).toBe(0o600);
  writeFileSync(home.at('plan.html'), 'mine');
  expect(await shared('plan')).toMatchObject({ code: 2, output: expect.stringContaining('-o plan.html') });
  expect(readFileSync(home.at('plan.html'), 'utf8')).toBe('mine');
  expect(await shared()).toMatchObject({ code: 0, output: expect.stringContaining('wrote a-b.html') });
  expect(readdirSync(home.directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(existsSync(home.at('a-b.html'))).toBe(true);
});

test('an empty history and a name that nobody has are errors that say what to do', async () => {
  expect(await home.run(['history', 'share', 'nobody'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('history list'),
  });
  const empty = await home.run(['history', 'share'], { env: { CLLM_HOME: home.at('other') } });
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining('the history is empty') });
});
