import { DatabaseSync } from '../support/sqlite.ts';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  type FakeUpstream,
  type Responder,
  type ScriptedReply,
  type Step,
  startFakeUpstream,
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

async function stdout(...args: string[]): Promise<string> {
  const result = await home.run(args);
  expect({ stderr: result.stderr, code: result.code }).toMatchObject({ code: 0 });
  return result.stdout;
}

const rows = (text: string): string[][] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));

/** A reply that sends its first words and then nothing, until the client goes. */
const firstWords: Step = {
  data: {
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { role: 'assistant', content: 'What you saw' } }],
  },
};
const halfReply: ScriptedReply = { steps: [firstWords, { stall: true }] };

describe('history', () => {
  beforeEach(async () => {
    upstream.reply(textReply('Paris.'), textReply('Rome, of course.'));
    await home.run(['-q', '-C', 'france', 'capital of France?']);
    await home.run(['-q', '-C', 'italy', 'capital of Italy?']);
  });

  test('list has a tab-separated line a conversation, the latest first; --json the same facts', async () => {
    expect(rows(await stdout('history', 'list')).map((row) => [row[1], row[3], row[4], row[5]])).toEqual([
      ['italy', '1', 'test-model', 'capital of Italy?'],
      ['france', '1', 'test-model', 'capital of France?'],
    ]);
    expect(JSON.parse(await stdout('history', 'list', '--json')).map((each: { name: string }) => each.name)).toEqual([
      'italy',
      'france',
    ]);
    expect(rows(await stdout('history', 'list', '-n', '1'))).toHaveLength(1);
  });

  test('list has what each conversation cost, over its turns, as far as anybody told', async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost: 0.25 };
    upstream.reply(textReply('Lyon.', { usage }), textReply('Nice.', { usage: { ...usage, cost: 0.5 } }));
    await home.run(['-q', '-C', 'france', 'and then?']);
    await home.run(['-q', '-C', 'france', 'and then?']);
    upstream.reply({ steps: [firstWords] });
    await home.run(['-q', '-C', 'cut', 'x']);
    const [cut, france] = JSON.parse(await stdout('history', 'list', '--json')) as Record<string, unknown>[];
    const [known] = JSON.parse(await stdout('history', 'list', '--json', '-n', '1')) as Record<string, unknown>[];
    expect(cut).toMatchObject({ name: 'cut', total_cost_usd: null, input_tokens: null, output_tokens: null });
    expect(known).toEqual(cut);
    expect(france).toMatchObject({ name: 'france', turn_count: 3, total_cost_usd: 0.75 });
    const { turns } = JSON.parse(await stdout('history', 'show', 'france', '--format', 'json')) as {
      turns: { receipt: { input_tokens: number } }[];
    };
    expect(france?.['input_tokens']).toBe(turns.reduce((sum, { receipt }) => sum + receipt.input_tokens, 0));
    const [, line] = rows(await stdout('history', 'list'));
    expect(line?.slice(5, 7)).toEqual(['capital of France?', '0.75']);
  });

  test('has recover and replay as well', async () => {
    expect((await home.run(['history', '--help'])).stdout).toMatch(/history recover[^]*history replay/);
    await home.run(['-q', '--record', 'x.rec', 'again'], { cwd: home.at('') });
    const [own, here] = await Promise.all([
      home.run(['replay', 'x.rec', '--speed', 'max'], { cwd: home.at('') }),
      home.run(['history', 'replay', 'x.rec', '--speed', 'max'], { cwd: home.at('') }),
    ]);
    expect(here).toEqual(own);
    expect(own.code).toBe(0);
    expect(await home.run(['history', 'recover'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('no turn is unfinished'),
    });
  });

  test('words that fit no command get the hint that asks them of the model', async () => {
    for (const [args, hint] of [
      [['history', 'of', 'Rome'], 'as a prompt: cllm ask history …'],
      [['doctor', 'who', 'is', 'it'], 'as a prompt: cllm ask doctor …'],
      [['history', 'list', 'of', 'kings'], 'as a prompt: cllm ask history list …'],
    ] as const)
      expect(await home.run([...args])).toMatchObject({ code: 2, stderr: expect.stringContaining(hint) });
    expect((await home.run(['history', 'lisst'])).stderr).toContain('did you mean list?');
  });

  test('show takes a name, an id or the beginning of one, and has text, Markdown and JSON', async () => {
    const id = rows(await stdout('history', 'list'))[1]?.[0] ?? '';
    for (const reference of ['france', id, id.slice(0, 6)])
      expect(await stdout('history', 'show', reference)).toContain('Paris.');
    expect(await stdout('history', 'show', 'france', '--format', 'markdown')).toMatch(/^# .*\n[^]*## 1\. Reply/);
    const json = JSON.parse(await stdout('history', 'show', 'france', '--format', 'json'));
    expect(json).toMatchObject({
      conversation_id: id,
      name: 'france',
      system: null,
      turns: [
        {
          seq: 1,
          messages: [{ role: 'user', content: 'capital of France?' }],
          completion: {
            object: 'chat.completion',
            choices: [{ message: { content: 'Paris.' }, finish_reason: 'stop' }],
          },
          verdict: 'complete',
          error: null,
          receipt: { model_requested: 'test-model' },
        },
      ],
    });
  });

  test('search finds words of prompts and replies, whatever stands in the query', async () => {
    expect(rows(await stdout('history', 'search', 'rome')).map((row) => row[1])).toEqual(['italy']);
    expect(rows(await stdout('history', 'search', 'capital'))).toHaveLength(2);
    expect(await stdout('history', 'search', '"course OR (', '*', 'NEAR')).toBe('');
  });

  test('list and search show those that are meant, by model, time, end and cost', async () => {
    const names = async (...words: string[]): Promise<unknown[]> =>
      rows(await stdout('history', ...words)).map((row) => row[1]);
    const today = new Date().toISOString().slice(0, 4);
    expect(await names('list', '--model', 'test-model', '--verdict', 'complete', '--since', '1h')).toHaveLength(2);
    expect(await names('search', 'capital', '--since', `${today}-01-01`, '--until', '1h')).toEqual([]);
    expect(await names('search', 'capital', '--model', 'test-model')).toEqual(['italy', 'france']);
    expect(await names('list', '--cost-over', '1')).toEqual([]);
    expect((await home.run(['history', 'list', '--verdict', 'cut'])).stderr).toContain(
      'no conversation has such a turn',
    );
    for (const words of [
      ['--since', 'soon'],
      ['--verdict', 'bad'],
      ['--cost-over', '-1'],
      ['--model', 'a', '--model', 'b'],
    ])
      expect(await home.run(['history', 'list', ...words])).toMatchObject({ code: 2, stdout: '' });
  });

  test('rename, fork, delete and prune do what they say', async () => {
    await stdout('history', 'rename', 'italy', 'roma');
    const forked = (await stdout('history', 'fork', 'france', '--as', 'paris')).trim();
    expect(rows(await stdout('history', 'list')).map((row) => row[1])).toEqual(['paris', 'roma', 'france']);
    expect(await stdout('history', 'show', forked)).toContain('Paris.');
    await stdout('history', 'delete', 'france', '--yes');
    expect(await stdout('history', 'show', 'paris')).toContain('Paris.');
    await stdout('history', 'prune', '--older-than', '1d', '--yes');
    expect(rows(await stdout('history', 'list'))).toHaveLength(2);
  });

  test('delete asks on a terminal only: elsewhere it wants --yes and deletes nothing', async () => {
    const { code, stderr } = await home.run(['history', 'delete', 'france']);
    expect(code).toBe(2);
    expect(stderr).toContain('--yes');
    expect(rows(await stdout('history', 'list'))).toHaveLength(2);
  });

  test('export and import round-trip, and importing twice adds nothing', async () => {
    const lines = await stdout('history', 'export');
    writeFileSync(home.at('all.jsonl'), lines);
    const other = { env: { CLLM_HOME: home.at('other') } };
    expect((await home.run(['history', 'import', home.at('all.jsonl')], other)).stderr).toContain('2 added');
    expect((await home.run(['history', 'import'], { ...other, stdin: lines })).stderr).toContain(
      '0 added, 0 extended, 2 there already',
    );
    expect((await home.run(['history', 'export'], other)).stdout).toBe(lines);
  });

  test('imports the JSON conversations of the original cllm', async () => {
    mkdirSync(home.at('old'));
    const old = {
      id: 'abc',
      model: 'gpt-4',
      created_at: '2024-01-02T03:04:05',
      updated_at: '2024-01-02T03:04:05',
      messages: [
        { role: 'system', content: 'be old' },
        { role: 'user', content: 'who are you?' },
        { role: 'assistant', content: 'A Python tool.' },
      ],
    };
    writeFileSync(home.at('old', 'abc.json'), JSON.stringify(old));
    await stdout('history', 'import', '--from', 'cllm-json', home.at('old'));
    expect(await stdout('history', 'search', 'Python')).toContain('Python');
  });

  test('verify is content with what was written, and names a turn in which a single letter was changed', async () => {
    expect(await stdout('history', 'verify')).toContain('2 conversations, 2 turns');
    const file = home.at('cllm', 'history.db');
    const bytes = readFileSync(file);
    const at = bytes.indexOf('Rome, of course');
    bytes.write('r', at);
    writeFileSync(file, bytes);
    const { code, stdout: problems } = await home.run(['history', 'verify']);
    expect(code).toBe(1);
    expect(problems).toMatch(/turn/);
  });

  test('path names the file; an unknown name is an error that says how to find the right one', async () => {
    expect(await stdout('history', 'path')).toBe(`${home.at('cllm', 'history.db')}\n`);
    const { code, stderr } = await home.run(['history', 'show', 'spain']);
    expect(code).toBe(1);
    expect(stderr).toContain('cllm history list');
  });

  test('files are the owner’s alone, whatever the umask', async () => {
    const { stdout: modes } = await home.shell(
      'umask 000; export CLLM_HOME=$PWD/open; cllm -q hi >/dev/null; stat -c %a open open/history.db open/journal',
    );
    expect(modes).toBe('700\n600\n700\n');
  });
});

describe('after kill -9', () => {
  test('the turn is noticed, listed and restored with every byte that was shown', async () => {
    upstream.reply(halfReply);
    const cli = home.start(['-C', 'x', 'tell me']);
    await cli.untilStdout('What you saw');
    cli.process.kill('SIGKILL');
    const { stdout: shown } = await cli.result;

    const next = await home.run(['-q', 'something else']);
    expect(next.stderr).toContain('unfinished');
    const [listed] = rows(await stdout('recover'));
    expect(await stdout('recover', listed?.[0]?.slice(0, 5) ?? '')).toContain('interrupted');
    const { turns } = JSON.parse(await stdout('history', 'show', 'x', '--format', 'json'));
    expect(turns).toMatchObject([
      { verdict: 'interrupted', completion: { choices: [{ message: { content: shown }, finish_reason: null }] } },
    ]);
    expect(await stdout('recover')).toBe('');
    expect(readdirSync(home.at('cllm', 'journal'))).toEqual([]);
  });

  test('-C goes on from what was seen', async () => {
    upstream.reply(halfReply, textReply('and the rest'));
    const cli = home.start(['-C', 'x', 'tell me']);
    await cli.untilStdout('What you saw');
    cli.process.kill('SIGKILL');
    await cli.result;
    const { stderr } = await home.run(['-C', 'x', 'go on']);
    expect(stderr).toContain('restored');
    expect(upstream.chatRequests[1]?.body.messages).toEqual([
      { role: 'user', content: 'tell me' },
      { role: 'assistant', content: 'What you saw' },
      { role: 'user', content: 'go on' },
    ]);
  });

  test.each([
    ['recover', '--yes'],
    ['-C', 'x', 'go on'],
  ])('a history that can not be written keeps its journals: %s %s', async (...args) => {
    upstream.reply(textReply('before'), halfReply);
    await home.run(['-C', 'x', 'hi']);
    const cli = home.start(['-C', 'x', 'tell me']);
    await cli.untilStdout('What you saw');
    cli.process.kill('SIGKILL');
    await cli.result;
    const kept = readdirSync(home.at('cllm', 'journal'));
    expect(kept).toHaveLength(1);
    const other = new DatabaseSync(home.at('cllm', 'history.db'));
    other.exec('BEGIN IMMEDIATE');
    const { code, stderr } = await home.run(args);
    other.exec('ROLLBACK');
    other.close();
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/locked|busy|another process/i);
    expect(readdirSync(home.at('cllm', 'journal'))).toEqual(kept);
    expect(await stdout('recover', '--yes')).toContain('interrupted');
    expect(readdirSync(home.at('cllm', 'journal'))).toEqual([]);
  });

  test('a turn of a live process is left alone', async () => {
    upstream.reply(halfReply);
    const cli = home.start(['tell me']);
    await cli.untilStdout('What you saw');
    expect(await stdout('recover')).toBe('');
    cli.process.kill('SIGTERM');
    expect((await cli.result).code).toBe(143);
  });
});

describe('record and replay', () => {
  test.each<[string, ScriptedReply | Responder, number]>([
    ['a whole reply', textReply('Recorded.'), 0],
    ['a cut one', { steps: [firstWords] }, 3],
    ['a reset', { steps: [firstWords, { reset: true }] }, 3],
    ['an error frame', { steps: [firstWords, { data: { error: { message: 'upstream died', code: '500' } } }] }, 3],
  ])('%s replays with the same output, result and exit code', async (_name, reply, code) => {
    upstream.reply(reply);
    const record = ['--record', home.at('a.rec'), '--retries', '0', '--output-format', 'json', 'hi'];
    const live = await home.run(record);
    const replayed = await home.run(['replay', home.at('a.rec'), '--speed', 'max', '--output-format', 'json']);
    expect([live.code, replayed.code]).toEqual([code, code]);
    const [was, is] = [JSON.parse(live.stdout), JSON.parse(replayed.stdout)];
    const own = { timestamp: null, conversation_id: null, duration_ms: null, ttft_ms: null };
    const bare = (result: typeof was): object => ({
      ...result,
      ...own,
      error: result.error && { code: result.error.code },
    });
    expect(bare(is)).toEqual(bare(was));
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('a recording names the model that was asked for', async () => {
    await home.run(['--record', home.at('a.rec'), '-m', 'asked-for', 'hi']);
    const { stderr } = await home.run(['replay', home.at('a.rec'), '--speed', 'max']);
    expect(stderr).toContain('asked-for');
    expect(stderr).not.toContain('unknown →');
  });

  test('a recording holds no key and is readable by its owner alone', async () => {
    await home.run(['--record', home.at('a.rec'), 'hi']);
    expect(readFileSync(home.at('a.rec'), 'utf8')).not.toContain('sk-test-key');
    expect((await home.shell('stat -c %a a.rec')).stdout).toBe('600\n');
  });

  test.each([
    ['a file that is no recording', 'x', /no recording|not a recording/],
    ['a file that is not there', null, /cannot be read|can not be read|no such file|ENOENT/i],
  ])('%s is refused with exit code 2', async (_name, content, message) => {
    if (content !== null) writeFileSync(home.at('a.rec'), content);
    const { code, stderr } = await home.run(['replay', home.at('a.rec')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('where a prompt comes from');
  });

  test('a cut one has nothing to go on from', async () => {
    upstream.reply({ steps: [firstWords] });
    await home.run(['--record', home.at('a.rec'), '--retries', '0', 'hi']);
    const { code, stderr } = await home.run(['replay', home.at('a.rec'), '--speed', 'max']);
    expect(code).toBe(3);
    expect(stderr).toContain('this is as far as the recording goes');
    expect(stderr).not.toContain('-c');
  });
});
