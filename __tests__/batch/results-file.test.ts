import { expect, test } from '@jest/globals';
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BatchResult, resultLine } from '../../src/batch/batch-result.ts';
import { readResults, ResultsFile } from '../../src/batch/results-file.ts';
import { resultObject } from '../../src/result.ts';
import { CllmError } from '../../src/errors.ts';
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
