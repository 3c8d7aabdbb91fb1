import { expect, test } from '@jest/globals';
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BatchResult, parseResult, resultLine } from '../../src/batch/batch-result.ts';
import { BatchSummary } from '../../src/batch/batch-summary.ts';
import { CostCap } from '../../src/spending/cost-cap.ts';
import { junitReport } from '../../src/batch/reporters/junit.ts';
import { markdownReport } from '../../src/batch/reporters/markdown.ts';
import { readResults, ResultsFile } from '../../src/batch/results-file.ts';
import { resultObject } from '../../src/conversation/result-object.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

function result(line: number, options: { id?: string; isError?: boolean } = {}): BatchResult {
  const error = options.isError ? new CllmError('stream_cut', 'cut') : null;
  return {
    ...resultObject({ timestamp: '2026-11-22T00:00:00.000Z', error, verdict: error ? 'cut' : 'complete' }),
    custom_id: options.id ?? null,
    line,
    input_digest: options.id === undefined ? `d${line}` : null,
  };
}

async function open(file: string): Promise<{ results: ResultsFile; kept: number[] }> {
  const kept: number[] = [];
  const results = await ResultsFile.open(file, {
    identity: identifyProcess(process.pid),
    inputFile: null,
    isTriedAgain: () => true,
    onKept: ({ line }) => kept.push(line),
  });
  return { results, kept };
}

async function linesIn(file: string): Promise<number[]> {
  const lines: number[] = [];
  for await (const { line } of readResults(file)) lines.push(line);
  return lines;
}

test('a file that was cut at any byte of a line is taken up with every whole result, and can be gone on with', async () => {
  const file = join(directory(), 'out.jsonl');
  const whole = Buffer.from([result(1, { id: 'é' }), result(2), result(3, { id: '日本' })].map(resultLine).join(''));
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at);
  // Every byte of the second line, and what is around its ends; elsewhere every tenth.
  const [first = 0, second = 0] = ends;
  const lengths = Array.from({ length: whole.length + 1 }, (_, n) => n).filter(
    (n) => n < 20 || (n >= first - 2 && n <= second + 2) || n % 10 === 0 || n >= whole.length - 2,
  );
  for (const length of lengths) {
    writeFileSync(file, whole.subarray(0, length));
    const { results, kept } = await open(file);
    // A line that lacks its newline alone is whole.
    const expected = [1, 2, 3].slice(0, ends.filter((at) => at <= length).length);
    expect({ length, kept }).toEqual({ length, kept: expected });
    await results.append(result(4));
    await results.close();
    expect(await linesIn(file)).toEqual([...expected, 4]);
  }
}, 120_000);

test('failed results are taken out, twins are, and what is there keeps its mode', async () => {
  const file = join(directory(), 'out.jsonl');
  const rows = [result(1), result(2, { isError: true }), result(3, { id: 'a' }), result(4, { id: 'a' })];
  writeFileSync(file, rows.map(resultLine).join(''));
  chmodSync(file, 0o640);
  const { results } = await open(file);
  expect(results.has({ custom_id: 'a', line: 9, input_digest: null })).toBe(true);
  expect(results.has({ custom_id: null, line: 1, input_digest: 'other' })).toBe(false);
  expect(results.hasLine({ line: 1 })).toBe(true);
  expect(results.hasLine({ line: 2 })).toBe(false);
  await results.close();
  expect(await linesIn(file)).toEqual([1, 3]);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory())).toEqual(['out.jsonl']);
});

test('results of many at once are all there, each on a line of its own', async () => {
  const file = join(directory(), 'out.jsonl');
  const { results } = await open(file);
  await Promise.all(Array.from({ length: 200 }, (_, n) => results.append(result(n + 1))));
  await results.close();
  expect((await linesIn(file)).length).toBe(200);
});

test('a symbolic link stays one, and what it leads to is written', async () => {
  const [file, link] = [join(directory(), 'real.jsonl'), join(directory(), 'link.jsonl')];
  writeFileSync(file, resultLine(result(1, { isError: true })));
  symlinkSync(file, link);
  const { results } = await open(link);
  expect(results.path).toBe(file);
  await results.append(result(1));
  await results.close();
  expect(await linesIn(file)).toEqual([1]);
});

test.each([
  ['a text', 'hello'],
  ['JSON of another kind', '{"type":"other"}\n'],
  ['a foreign line among results', `${resultLine(result(1))}note\n${resultLine(result(2))}`],
])('%s is refused and left as it is', async (_name, text) => {
  const file = join(directory(), 'out.jsonl');
  writeFileSync(file, text);
  await expect(open(file)).rejects.toMatchObject({ code: 'input_invalid' });
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect(readdirSync(directory())).toEqual(['out.jsonl']);
});

test('a directory that is not there is a usage error, as for every other file that a flag names', async () => {
  await expect(open(join(directory(), 'no', 'out.jsonl'))).rejects.toMatchObject({ code: 'input_invalid' });
});

const markup = '<img src=x onerror=alert(1)> | [a](http://evil.example) `x`';
const hostile: Record<string, unknown[]> = {
  verdict: [markup, 5, {}, 'complete '],
  error: [
    { code: markup, message: 'm', hint: 'h' },
    { code: 5 },
    'x',
    [],
    { code: 'stream_cut', message: {}, hint: null },
  ],
  duration_ms: ['x', -1, null, 1e308, {}],
  ttft_ms: ['1', -1, 1e308],
  total_cost_usd: ['9', -1_000_000, 1e308, {}],
  usage: ['x', { input_tokens: '1', output_tokens: {} }, { input_tokens: -1, output_tokens: 0.5 }, []],
  exit_code: ['0', -1, 1e9],
  completion: ['x', 5, []],
  result: [5, {}, null],
  input_digest: [5],
};

test('what an earlier result says is checked before it counts or is shown', async () => {
  for (const isError of [true, false]) {
    for (const [name, values] of Object.entries(hostile)) {
      for (const value of values) {
        const line = JSON.stringify({ ...result(1, { isError }), is_error: isError, [name]: value });
        const read = parseResult(line) as BatchResult;
        // It would say that it went well, and that it did not.
        if (read === null && !isError && ['verdict', 'exit_code'].includes(name)) continue;
        const summary = new BatchSummary();
        summary.add(read, { isEarlier: true });
        const facts = {
          title: 't',
          summary,
          stoppedBecause: null,
          inputFile: null,
          template: null,
          startedAt: '2026-11-22T00:00:00.000Z',
          durationMs: 1,
        };
        let junit = '';
        for await (const piece of junitReport(
          facts,
          (async function* () {
            yield read;
          })(),
        ))
          junit += piece;
        const reports = junit + markdownReport(facts);
        expect({ line, found: /NaN|undefined|<img|\]\(http|\[object|Infinity/.exec(reports)?.[0] }).toEqual({ line });
        expect(summary.costUsd ?? 0).toBeLessThan(1e9);
        expect(summary.costUsd ?? 0).toBeGreaterThanOrEqual(0);
        const cap = new CostCap(1);
        cap.add(read.total_cost_usd);
        cap.add(2);
        expect({ line, refusal: cap.refusal }).not.toEqual({ line, refusal: null });
      }
    }
  }
});

test.each([
  ['cut', 0],
  ['content_filter', 0],
  ['empty', 0],
  [null, 0],
  ['complete', 3],
  ['length', 5],
])('what went well, with the verdict %s and exit code %d, is no result', (verdict, code) => {
  expect(parseResult(JSON.stringify({ ...result(1), verdict, exit_code: code }))).toBeNull();
});

test('what went well and says that it ended in an error is no result, and what failed says so in every member', () => {
  expect(parseResult(JSON.stringify({ ...result(1), status: 'error' }))).toBeNull();
  const failed = { ...result(1, { isError: true }), status: 'success' };
  expect(parseResult(JSON.stringify(failed))).toMatchObject({ status: 'error', is_error: true });
});

test('what is no result at all is none', () => {
  for (const value of [
    null,
    5,
    [],
    {},
    { type: 'result' },
    { type: 'result', is_error: false, line: 0, custom_id: null },
  ])
    expect(parseResult(JSON.stringify(value))).toBeNull();
  expect(parseResult(resultLine(result(3)).trim())).toEqual(result(3));
});

test('a link beside the results, under whatever name, is not written through when they are written anew', async () => {
  const file = join(directory(), 'out.jsonl');
  const precious = join(directory(), 'precious');
  writeFileSync(precious, 'mine');
  for (const name of ['.out.jsonl.rewritten', 'out.jsonl.tmp', 'out.jsonl.new', '.out.jsonl.lock-1-1'])
    symlinkSync(precious, join(directory(), name));
  writeFileSync(file, resultLine(result(1)) + resultLine(result(2, { isError: true })));
  chmodSync(file, 0o640);
  const { results } = await open(file);
  await results.append(result(2));
  await results.close();
  expect(await linesIn(file)).toEqual([1, 2]);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readFileSync(precious, 'utf8')).toBe('mine');
});

test('a link that leads nowhere makes no file there', async () => {
  symlinkSync(join(directory(), 'nowhere'), join(directory(), 'out.jsonl'));
  await expect(open(join(directory(), 'out.jsonl'))).rejects.toMatchObject({ code: 'input_invalid' });
  expect(readdirSync(directory())).toEqual(['out.jsonl']);
});
