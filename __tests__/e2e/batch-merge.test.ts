import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { errorReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => textReply(`re: ${lastText(request)}`, { usage: { cost: 0.01 } })(request);
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const prompts = ['one', 'two', '', 'four', 'five', 'six', 'seven'];
const numbers = [1, 2, 4, 5, 6, 7];

function input(): string {
  writeFileSync(
    home.at('in.jsonl'),
    prompts.map((prompt) => (prompt === '' ? '\n' : `${JSON.stringify({ prompt })}\n`)).join(''),
  );
  return 'in.jsonl';
}

const lines = (name: string): number[] =>
  readFileSync(home.at(name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { line: number }).line);

const asked = (): string[] => upstream.chatRequests.map(lastText).toSorted();

/** Each job as its system starts it, with the variables that it has there. */
async function shards(jobs: Record<string, string>[]): Promise<{ code: number | null; stderr: string }[]> {
  const results = [];
  for (const [n, env] of jobs.entries()) {
    results.push(await home.run(['batch', 'in.jsonl', '-o', `part-${n}.jsonl`, '--shard', 'auto'], { env }));
  }
  return results;
}

test('jobs that find their part by themselves do all of it once, and their results become one file in order', async () => {
  input();
  const results = await shards(
    [0, 1, 2].map((n) => ({ JOB_COMPLETION_INDEX: String(n), CLLM_SHARD_TOTAL: '3', KUBERNETES_SERVICE_HOST: 'x' })),
  );
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(results[2]?.stderr).toContain('--shard auto: part 3/3');
  expect(asked()).toEqual(prompts.filter(Boolean).toSorted());
  const parts = ['part-0.jsonl', 'part-1.jsonl', 'part-2.jsonl'];
  const { code, stdout, stderr } = await home.run([
    'batch',
    'merge',
    ...parts,
    '-o',
    'all.jsonl',
    '--input',
    'in.jsonl',
  ]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toContain('6 results of 3 parts in all.jsonl · complete · $0.06');
  expect(lines('all.jsonl')).toEqual(numbers);
  // It is a results file: the batch has nothing left to do.
  const again = await home.run(['batch', 'in.jsonl', '-o', 'all.jsonl']);
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('0 asked · 6 done before') });
});

test('a job that can not know its part asks for nothing and writes nothing', async () => {
  input();
  const results = await shards([
    {},
    { CI_NODE_INDEX: '0', CI_NODE_TOTAL: '2' },
    { JOB_COMPLETION_INDEX: '0' },
    { CIRCLE_NODE_INDEX: '1', CIRCLE_NODE_TOTAL: '2', CI_NODE_INDEX: '1', CI_NODE_TOTAL: '2' },
  ]);
  expect(results.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
  for (const { stderr } of results) expect(stderr).toContain('--shard auto');
  expect(upstream.requests).toHaveLength(0);
  for (const n of [0, 1, 2, 3]) expect(existsSync(home.at(`part-${n}.jsonl`))).toBe(false);
});

test('what a CI system says is nothing to a batch that was not asked for a part', async () => {
  // GitLab sets them in a `parallel: matrix` as well, where each job wants the whole file.
  input();
  const env = { GITLAB_CI: 'true', CI: 'true', CI_NODE_INDEX: '2', CI_NODE_TOTAL: '4' };
  await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl'], { env });
  expect(lines('out.jsonl').toSorted((a, b) => a - b)).toEqual(numbers);
});

test('what is missing or failed is said, ends with 11, and the batch of the merged file asks for that alone', async () => {
  input();
  upstream.fallback = (request) =>
    lastText(request) === 'two' ? errorReply(400, 'no') : textReply(`re: ${lastText(request)}`)(request);
  await home.run(['batch', 'in.jsonl', '-o', 'part-1.jsonl', '--shard', '1/3']);
  await home.run(['batch', 'in.jsonl', '-o', 'part-2.jsonl', '--shard', '2/3']);
  const merged = await home.run(
    ['batch', 'merge', 'part-1.jsonl', 'part-2.jsonl', '-o', 'all.jsonl', '--input', '-', '-q'],
    { stdin: readFileSync(home.at('in.jsonl'), 'utf8') },
  );
  expect(merged.code).toBe(11);
  expect(merged.stderr).toContain('not complete: 1 missing, 1 failed');
  expect(merged.stderr).toContain('no result: line 6');
  const named = await home.run([
    'batch',
    'merge',
    'part-1.jsonl',
    'part-2.jsonl',
    '-o',
    'all2.jsonl',
    '--input',
    'in.jsonl',
  ]);
  expect(named.stderr).toContain('cllm batch in.jsonl -o all2.jsonl');
  upstream.fallback = (request) => textReply(`re: ${lastText(request)}`)(request);
  upstream.requests.length = 0;
  expect((await home.run(['batch', 'in.jsonl', '-o', 'all.jsonl'])).code).toBe(0);
  expect(asked()).toEqual(['six', 'two']);
});

test('two replies to one item are said, the first is kept, and the exit code is 11', async () => {
  input();
  await home.run(['batch', 'in.jsonl', '-o', 'a.jsonl']);
  upstream.fallback = textReply('another');
  await home.run(['batch', 'in.jsonl', '-o', 'b.jsonl', '--shard', '1/7']);
  const { code, stderr } = await home.run(['batch', 'merge', 'a.jsonl', 'b.jsonl', '-o', 'all.jsonl']);
  expect(code).toBe(11);
  expect(stderr).toContain('1 item had two different replies');
  expect(stderr).toContain('line 1');
  expect(stderr).not.toContain('complete');
  expect(readFileSync(home.at('all.jsonl'), 'utf8')).not.toContain('another');
});

test('without the input it says so, and never that it is complete', async () => {
  input();
  await home.run(['batch', 'in.jsonl', '-o', 'part.jsonl', '--shard', '1/2']);
  const { code, stderr } = await home.run(['batch', 'merge', 'part.jsonl', '-o', 'all.jsonl']);
  expect(code).toBe(0);
  expect(stderr).toContain('not compared with the input');
  expect(stderr).not.toContain('complete');
});

test('a part that a crash tore is not complete, unless the input says that nothing is missing', async () => {
  input();
  await home.run(['batch', 'in.jsonl', '-o', 'part-0.jsonl', '--shard', '1/2']);
  await home.run(['batch', 'in.jsonl', '-o', 'part-1.jsonl', '--shard', '2/2']);
  writeFileSync(home.at('torn.jsonl'), readFileSync(home.at('part-1.jsonl'), 'utf8').slice(0, -10));
  const torn = await home.run(['batch', 'merge', 'part-0.jsonl', 'torn.jsonl', '-o', 'all.jsonl']);
  expect(torn.code).toBe(11);
  expect(torn.stderr).toContain('the merged results are not complete: a crash tore torn.jsonl');
  const parts = ['part-0.jsonl', 'torn.jsonl', 'part-1.jsonl'];
  const whole = await home.run(['batch', 'merge', ...parts, '-o', 'whole.jsonl', '--input', 'in.jsonl']);
  expect([whole.code, lines('whole.jsonl')]).toEqual([0, numbers]);
});

test('the names that a shell makes of a pattern: none, the output, the input', async () => {
  input();
  await home.run(['batch', 'in.jsonl', '-o', 'part-1.jsonl']);
  const shell = (command: string): Promise<CliResult> => home.shell(`cllm batch merge ${command}`);
  expect(await shell('nothing-*.jsonl -o all.jsonl')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('the shell found no file of such a name'),
  });
  expect(await shell('*.jsonl -o all.jsonl')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('in.jsonl is no part of a batch: its line 1'),
  });
  expect((await shell('part-*.jsonl -o all.jsonl')).code).toBe(0);
  expect(await shell('part-*.jsonl all.jsonl -o all.jsonl')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is one of the parts'),
  });
  expect(await shell('part-*.jsonl -o in.jsonl --input in.jsonl')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there already'),
  });
  expect(readFileSync(home.at('in.jsonl'), 'utf8')).toContain('"one"');
});

test('a part that is compressed is said to be so, and a part is no input', async () => {
  input();
  await home.run(['batch', 'in.jsonl', '-o', 'part.jsonl']);
  writeFileSync(home.at('part.jsonl.gz'), gzipSync(readFileSync(home.at('part.jsonl'))));
  const merge = async (...args: string[]): Promise<CliResult> =>
    home.run(['batch', 'merge', 'part.jsonl', '-o', 'all.jsonl', ...args]);
  const packed = await merge('part.jsonl.gz');
  expect([packed.code, packed.stderr]).toEqual([2, expect.stringMatching(/part\.jsonl\.gz .*compressed[^]*unpack it/)]);
  const own = await merge('--input', './part.jsonl');
  expect([own.code, own.stderr]).toEqual([2, expect.stringContaining('--input ./part.jsonl is one of the parts')]);
  expect(existsSync(home.at('all.jsonl'))).toBe(false);
});

test('a table as the input is refused with what says what is missing', async () => {
  writeFileSync(home.at('rows.csv'), 'a\n1\n');
  writeFileSync(home.at('part.jsonl'), '');
  const { code, stderr } = await home.run(['batch', 'merge', 'part.jsonl', '-o', 'all.jsonl', '--input', 'rows.csv']);
  expect(code).toBe(2);
  expect(stderr).toContain('cllm batch rows.csv -t NAME -o all.jsonl');
});

test('files called merge are asked for like any other', async () => {
  writeFileSync(home.at('merge'), 'hello\n');
  expect((await home.run(['batch', './merge', '-o', 'out.jsonl'])).code).toBe(0);
  expect((await home.run(['batch', '-o', 'out3.jsonl', '--', 'merge'])).code).toBe(0);
  expect(upstream.chatRequests.map(lastText)).toEqual(['hello', 'hello']);
});

test('replies that are not streamed are asked for so, and kept like others', async () => {
  input();
  const { code } = await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl', '--no-stream']);
  expect(code).toBe(0);
  expect(upstream.chatRequests.map(({ body }) => body['stream'])).toEqual(numbers.map(() => false));
  expect(upstream.chatRequests.every(({ body }) => !('stream_options' in body))).toBe(true);
});
