import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { type BatchItem, readItem } from '../../src/batch/batch-item.ts';
import { type BatchResult, resultLine } from '../../src/batch/batch-result.ts';
import { mergeResults, type MergeReport } from '../../src/batch/merge-results.ts';
import { ResultsFile } from '../../src/batch/results-file.ts';
import { resultObject } from '../../src/conversation/result-object.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { CllmError, UsageError } from '../../src/outcome/errors.ts';
import { seed } from '../support/seed.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const at = (name: string): string => join(directory(), name);
const identity = identifyProcess(process.pid);
let abort: AbortController;
beforeEach(() => {
  abort = new AbortController();
});

interface Told {
  id?: string | null;
  line: number;
  digest?: string;
  isError?: boolean;
  says?: string;
}

function result({ id = null, line, digest = `d${line}`, isError = false, says = '' }: Told): BatchResult {
  const error = isError ? new CllmError('stream_cut', `cut ${says}`) : null;
  return {
    ...resultObject({ timestamp: '2026-11-27T00:00:00.000Z', error, verdict: error ? 'cut' : 'complete' }),
    result: says,
    custom_id: id,
    line,
    input_digest: id === null ? digest : null,
  };
}

const linesOf = (results: readonly Told[]): string => results.map((each) => resultLine(result(each))).join('');
const write = (name: string, results: readonly Told[]): string => {
  writeFileSync(at(name), linesOf(results));
  return name;
};

async function* itemsOf(items: readonly Told[]): AsyncGenerator<BatchItem, void, undefined> {
  for (const { id = null, line, digest = `d${line}` } of items) {
    yield { line, customId: id, digest, request: null, error: null };
  }
}

async function merge(
  parts: readonly string[],
  { items = null, output = 'all.jsonl' }: { items?: readonly Told[] | null; output?: string } = {},
): Promise<{ report: MergeReport; merged: BatchResult[]; text: string }> {
  const merged: BatchResult[] = [];
  const report = await mergeResults({
    parts,
    cwd: directory(),
    output: at(output),
    items: items === null ? null : itemsOf(items),
    identity,
    signal: abort.signal,
    onMerged: (each) => merged.push(each),
  });
  return { report, merged, text: readFileSync(at(output), 'utf8') };
}

/** That nothing is there but what was: no output, and nothing beside it. */
async function refused(parts: readonly string[], items: readonly Told[] | null = null): Promise<CllmError> {
  const before = readdirSync(directory()).toSorted();
  const error: unknown = await merge(parts, { items }).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(readdirSync(directory()).toSorted()).toEqual(before);
  if (error instanceof CllmError) return error;
  throw new Error(`it was not refused: ${String(error)}`);
}

const nothing = { count: 0, lines: [] };

test('any results, spread over any parts with any repetitions, become one a item, in order, each byte as it was', async () => {
  const told = fc.record({
    item: fc.nat(30),
    isNamed: fc.boolean(),
    isError: fc.boolean(),
    says: fc.constantFrom('', 'é', '日本\u2028', '\u{1f600}', 'x'.repeat(70_000), '\uFEFF', '\\"\n\r\0'),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(told, { maxLength: 20 }), { minLength: 1, maxLength: 4 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      async (parts, ending, hasFinalNewline) => {
        if (parts.every((each) => each.length === 0)) return;
        run += 1;
        const all = parts.map((part) =>
          part.map(({ item, isNamed, isError, says }) => {
            // An item has one name, or none.
            const id = item % 2 === 0 ? `n${item}` : null;
            return { id: isNamed || id !== null ? id : null, line: item + 1, isError, says } satisfies Told;
          }),
        );
        const names = all.map((each, n) => {
          const text = linesOf(each).replaceAll('\n', ending);
          writeFileSync(at(`p${run}-${n}.jsonl`), hasFinalNewline ? text : text.slice(0, -ending.length));
          return `p${run}-${n}.jsonl`;
        });
        const { report, merged, text } = await merge(names, { output: `out${run}.jsonl` });
        // What the merge should say, in the plainest words.
        const kept = new Map<number, Told>();
        const twofold = new Set<number>();
        for (const each of all.flat()) {
          const earlier = kept.get(each.line);
          if (earlier === undefined || (earlier.isError && !each.isError)) kept.set(each.line, each);
          else if (!earlier.isError && !each.isError && earlier.says !== each.says) twofold.add(each.line);
        }
        const expected = [...kept.values()].toSorted((a, b) => a.line - b.line);
        expect(text).toBe(linesOf(expected));
        expect(merged).toHaveLength(expected.length);
        expect(report.twofold.count).toBe(twofold.size);
        expect(report.torn).toEqual([]);
      },
    ),
    { seed, numRuns: 60 },
  );
});

test('cut at any byte, a part gives every whole result and no half one, and says that it was cut', async () => {
  const whole = Buffer.from(linesOf([{ id: 'é', line: 1 }, { line: 2 }, { id: '日本', line: 3 }]));
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([n]) => n);
  write('other.jsonl', [{ line: 9 }]);
  for (let length = 0; length <= whole.length; length += length < 60 || length > whole.length - 60 ? 1 : 7) {
    for (const zeros of [0, 5]) {
      writeFileSync(at('part.jsonl'), Buffer.concat([whole.subarray(0, length), Buffer.alloc(zeros)]));
      const output = `out-${length}-${zeros}.jsonl`;
      const { report, merged } = await merge(['part.jsonl', 'other.jsonl'], { output });
      const isWhole = ends.includes(length - 1) || length === 0;
      const count = ends.filter((end) => end < length || (zeros === 0 && end === length)).length;
      expect({ length, zeros, lines: merged.map(({ line }) => line) }).toEqual({
        length,
        zeros,
        lines: [...[1, 2, 3].slice(0, count), 9],
      });
      const isCut = zeros > 0 || !(isWhole || ends.includes(length));
      expect({ length, zeros, torn: report.torn }).toEqual({ length, zeros, torn: isCut ? ['part.jsonl'] : [] });
    }
  }
});

describe('against the input', () => {
  const items: Told[] = [{ id: 'a', line: 1 }, { line: 2 }, { id: 'c', line: 4 }, { line: 5 }];

  test('it says what is missing, and leaves out what the input does not have', async () => {
    write('1.jsonl', [
      { id: 'c', line: 4 },
      { id: 'gone', line: 3 },
      { line: 5, digest: 'as it was' },
    ]);
    write('2.jsonl', [{ id: 'a', line: 1 }]);
    const { report, merged } = await merge(['1.jsonl', '2.jsonl'], { items });
    expect(merged.map(({ custom_id: id }) => id)).toEqual(['a', 'c']);
    expect(report).toMatchObject({
      missing: { count: 2, lines: [2, 5] },
      foreign: { count: 2, lines: [3, 5] },
      twofold: nothing,
    });
  });

  test('a line that says two things in two parts is what it says now', async () => {
    write('1.jsonl', [{ line: 2, digest: 'as it was' }]);
    write('2.jsonl', [{ line: 2 }]);
    const { merged } = await merge(['1.jsonl', '2.jsonl'], { items });
    expect(merged.map(({ input_digest: digest }) => digest)).toEqual(['d2']);
    // Without the input nobody knows.
    const error = await refused(['1.jsonl', '2.jsonl']);
    expect(error).toMatchObject({ code: 'input_invalid', message: expect.stringContaining('line 2') });
  });

  test('items that have moved stand where they stand now', async () => {
    write('1.jsonl', [
      { id: 'a', line: 7 },
      { id: 'c', line: 1 },
    ]);
    const { merged, report } = await merge(['1.jsonl'], { items });
    expect(merged.map(({ custom_id: id }) => id)).toEqual(['a', 'c']);
    expect(report.missing).toEqual({ count: 2, lines: [2, 5] });
  });

  test('what the input says is read as a batch reads it', async () => {
    const line = { number: 3, text: '{"prompt":"x"}', problem: null, endsAt: 0, isTerminated: true };
    const item = readItem(line, 'jsonl');
    write('1.jsonl', [{ line: 3, digest: item.digest ?? '' }]);
    const { report } = await merge(['1.jsonl'], { items: [{ line: 3, digest: item.digest ?? '' }] });
    expect(report.missing).toEqual(nothing);
  });
});

describe('what is no part', () => {
  const good = resultLine(result({ line: 1 }));

  test.each<[string, string | Buffer]>([
    ['prompts', '{"prompt":"x"}\n'],
    ['text', 'hello\n'],
    ['a line that is cut and ended', `${good.slice(0, 80)}\n${good}`],
    ['a NUL in a line', good.replace('2026', '20\u000026')],
    ['lines of NULs', `${'\0'.repeat(50)}\n`],
    [
      'bytes that are no text',
      Buffer.concat([Buffer.from(good.slice(0, 30)), Buffer.from([0xff]), Buffer.from(good.slice(30))]),
    ],
    ['two results in one line', good.trimEnd() + good],
    ['half a line with a whole one behind it', good.slice(0, 50) + good],
    ['a reply that was cut and went well', good.replace('"verdict":"complete"', '"verdict":"cut"')],
    ['a reply that was filtered and went well', good.replace('"verdict":"complete"', '"verdict":"content_filter"')],
    ['no verdict and went well', good.replace('"verdict":"complete"', '"verdict":null')],
    ['an exit code and went well', good.replace('"exit_code":0', '"exit_code":3')],
    ['a negative line', good.replace('"line":1', '"line":-1')],
    ['a list', `[${good.trim()}]\n`],
    ['a torn beginning that is not ours', 'The quick brown'],
    ['a name that is a number', good.replace('"custom_id":null', '"custom_id":7')],
  ])('%s is refused by its line, and nothing is written', async (_name, content) => {
    write('1.jsonl', [{ line: 5 }]);
    writeFileSync(at('2.jsonl'), Buffer.concat([Buffer.from(linesOf([{ line: 6 }])), Buffer.from(content)]));
    const error = await refused(['1.jsonl', '2.jsonl']);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/^2\.jsonl is no part of a batch: its line 2 /);
  });

  test.each([
    ['a folder', 'folder'],
    ['nothing of the name', 'part-*.jsonl'],
    ['a link to nothing', 'dangling'],
    ['a pipe', 'pipe'],
    ['a device', '/dev/zero'],
  ])('%s is refused', async (_name, part) => {
    mkdirSync(at('folder'));
    execFileSync('mkfifo', [at('pipe')]);
    symlinkSync(at('nowhere'), at('dangling'));
    write('1.jsonl', [{ line: 5 }]);
    expect((await refused(['1.jsonl', part])).message).toContain(part);
  });

  test('parts without a result are refused, not called complete', async () => {
    writeFileSync(at('1.jsonl'), '');
    writeFileSync(at('2.jsonl'), good.slice(0, 40));
    expect((await refused(['1.jsonl', '2.jsonl'])).message).toContain('no result');
    expect((await refused(['1.jsonl'], [])).message).toContain('no result');
  });
});

test('one file under several names is one part', async () => {
  write('1.jsonl', [{ line: 1, says: 'x' }]);
  symlinkSync(at('1.jsonl'), at('link.jsonl'));
  linkSync(at('1.jsonl'), at('hard.jsonl'));
  const { report, merged } = await merge(['1.jsonl', './1.jsonl', 'link.jsonl', 'hard.jsonl']);
  expect(report).toMatchObject({ parts: 1, twofold: nothing });
  expect(merged).toHaveLength(1);
});

test('a copy of a part, and one that went on since, double nothing', async () => {
  write('1.jsonl', [
    { line: 1, says: 'x' },
    { line: 2, isError: true },
  ]);
  write('copy.jsonl', [
    { line: 1, says: 'x' },
    { line: 2, says: 'now' },
  ]);
  const { report, merged } = await merge(['1.jsonl', 'copy.jsonl']);
  expect(report.twofold).toEqual(nothing);
  expect(merged.map(({ result: says, is_error: isError }) => [says, isError])).toEqual([
    ['x', false],
    ['now', false],
  ]);
});

test('a part with a mark of the byte order is read like any other, and the mark is not carried along', async () => {
  const lines = [{ line: 2, says: 'é' }, { line: 1 }];
  for (const ending of ['\n', '\r\n']) {
    const output = `out-${ending.length}.jsonl`;
    writeFileSync(at('1.jsonl'), `\uFEFF${linesOf(lines).replaceAll('\n', ending)}`);
    expect((await merge(['1.jsonl'], { output })).text).toBe(linesOf(lines.toReversed()));
  }
});

test('a short reply that was allowed is one that went well', async () => {
  const line = resultLine({ ...result({ line: 1 }), verdict: 'length' });
  writeFileSync(at('1.jsonl'), line);
  expect((await merge(['1.jsonl'])).text).toBe(line);
});

test('items that had one line at different times stand as they were met', async () => {
  write('1.jsonl', [
    { id: 'b', line: 1 },
    { id: 'a', line: 1 },
  ]);
  write('2.jsonl', [{ id: 'c', line: 1 }]);
  expect((await merge(['1.jsonl', '2.jsonl'])).merged.map(({ custom_id: id }) => id)).toEqual(['b', 'a', 'c']);
});

test('of many that are missing the first are named, and all are counted', async () => {
  write('1.jsonl', [{ line: 1 }]);
  const { report } = await merge(['1.jsonl'], { items: Array.from({ length: 101 }, (_, n) => ({ line: n + 1 })) });
  expect(report.missing).toEqual({ count: 100, lines: Array.from({ length: 20 }, (_, n) => n + 2) });
});

test('leaves no file open, however it ends', async () => {
  write('1.jsonl', [{ line: 1 }]);
  writeFileSync(at('2.jsonl'), 'nothing of ours\n');
  const next = (): number => {
    const descriptor = openSync(directory(), 'r');
    closeSync(descriptor);
    return descriptor;
  };
  const before = next();
  await merge(['1.jsonl', './1.jsonl']);
  for (let n = 0; n < 5; n += 1) await refused(['1.jsonl', '2.jsonl', 'missing']).catch(() => {});
  for (let n = 0; n < 5; n += 1) await refused(['1.jsonl', '2.jsonl']);
  expect(next()).toBe(before);
});

describe('the output', () => {
  test('that somebody makes while the parts are read stays as it is', async () => {
    write('1.jsonl', [{ line: 1 }]);
    async function* items(): AsyncGenerator<BatchItem, void, undefined> {
      writeFileSync(at('all.jsonl'), 'mine');
      yield* itemsOf([{ line: 1 }]);
    }
    const plan = { parts: ['1.jsonl'], cwd: directory(), output: at('all.jsonl'), identity, onMerged: () => {} };
    await expect(mergeResults({ ...plan, items: items(), signal: abort.signal })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('there already'),
    });
    expect(readFileSync(at('all.jsonl'), 'utf8')).toBe('mine');
    expect(readdirSync(directory()).toSorted()).toEqual(['1.jsonl', 'all.jsonl']);
  });

  test.each([
    ['a file', () => writeFileSync(at('all.jsonl'), 'mine')],
    ['a link to nothing', () => symlinkSync(at('nowhere'), at('all.jsonl'))],
    ['a link to a file', () => symlinkSync(at('1.jsonl'), at('all.jsonl'))],
    ['a folder', () => mkdirSync(at('all.jsonl'))],
  ])('that is there already, %s, stays as it is', async (_name, make) => {
    write('1.jsonl', [{ line: 1 }]);
    make();
    const before = readdirSync(directory()).toSorted();
    await expect(merge(['1.jsonl'])).rejects.toMatchObject({ message: expect.stringContaining('there already') });
    expect(readdirSync(directory()).toSorted()).toEqual(before);
    expect(existsSync(at('nowhere'))).toBe(false);
    expect(readFileSync(at('1.jsonl'), 'utf8')).toBe(linesOf([{ line: 1 }]));
  });

  test('is its owner’s alone, and in a folder that is not there an error', async () => {
    write('1.jsonl', [{ line: 1 }]);
    await merge(['1.jsonl']);
    expect(statSync(at('all.jsonl')).mode & 0o777).toBe(0o600);
    await expect(merge(['1.jsonl'], { output: 'no/all.jsonl' })).rejects.toMatchObject({ code: 'output_failed' });
  });

  test('can be gone on with: it is a results file', async () => {
    write('1.jsonl', [{ line: 3 }, { line: 1, isError: true }]);
    await merge(['1.jsonl']);
    const kept: number[] = [];
    const results = await ResultsFile.open(at('all.jsonl'), {
      identity,
      inputFile: null,
      isTriedAgain: () => true,
      onKept: ({ line }) => kept.push(line),
    });
    await results.close();
    expect(kept).toEqual([3]);
  });
});

describe('a part that is being written', () => {
  let results: ResultsFile | null = null;
  afterEach(() => results?.close());

  test('is refused while its batch runs, and taken when it has ended', async () => {
    results = await ResultsFile.open(at('1.jsonl'), {
      identity,
      inputFile: null,
      isTriedAgain: () => false,
      onKept: () => {},
    });
    await results.append(result({ line: 1 }));
    write('2.jsonl', [{ line: 2 }]);
    symlinkSync(at('1.jsonl'), at('link.jsonl'));
    for (const name of ['1.jsonl', 'link.jsonl']) {
      const error = await refused(['2.jsonl', name]);
      expect(error).toMatchObject({ code: 'output_failed', message: expect.stringContaining(`${process.pid}`) });
    }
    await results.close();
    results = null;
    expect((await merge(['1.jsonl', '2.jsonl'])).merged).toHaveLength(2);
  });

  test('by a program that takes no lock is noticed, or does no harm', async () => {
    write('1.jsonl', [{ line: 1, says: 'one' }]);
    async function* changed(): AsyncGenerator<BatchItem, void, undefined> {
      // Between the reading of the parts and the writing of the output.
      writeFileSync(at('1.jsonl'), linesOf([{ line: 1, says: 'two' }]));
      yield* itemsOf([{ line: 1 }]);
    }
    const plan = { parts: ['1.jsonl'], cwd: directory(), output: at('all.jsonl'), identity, onMerged: () => {} };
    await expect(mergeResults({ ...plan, items: changed(), signal: abort.signal })).rejects.toMatchObject({
      message: expect.stringContaining('was changed'),
    });
    expect(existsSync(at('all.jsonl'))).toBe(false);
    appendFileSync(at('1.jsonl'), linesOf([{ line: 2 }]));
    expect((await merge(['1.jsonl'])).merged).toHaveLength(2);
  });
});

test('100,000 items are merged in the order of the input, in a memory that their text has no part in', async () => {
  const [count, shards] = [100_000, 4];
  const filler = 'x'.repeat(300);
  const names = Array.from({ length: shards }, (_, shard) => {
    const name = `part-${shard}.jsonl`;
    const lines = Array.from({ length: count / shards }, (_each, n) => n * shards + shard + 1);
    // Nearly in order, as batches end: the neighbours change places.
    const shuffled = lines.map((_line, n) => lines[n % 2 === 0 ? Math.min(n + 1, lines.length - 1) : n - 1] as number);
    writeFileSync(at(name), shuffled.map((line) => resultLine(result({ line, says: filler }))).join(''));
    return name;
  });
  let last = 0;
  let isInOrder = true;
  const report = await mergeResults({
    parts: names,
    cwd: directory(),
    output: at('all.jsonl'),
    items: itemsOf(Array.from({ length: count }, (_, n) => ({ line: n + 1 }))),
    identity,
    signal: abort.signal,
    onMerged({ line }) {
      isInOrder &&= line > last;
      last = line;
    },
  });
  expect({ isInOrder, last }).toEqual({ isInOrder: true, last: count });
  expect(report).toMatchObject({ missing: nothing, foreign: nothing, twofold: nothing });
});

test.each([
  ['while the input is read', 1],
  ['while it is written', 2],
])('a signal ends it, and leaves nothing: %s', async (_name, when) => {
  const lines = Array.from({ length: 5000 }, (_, n) => ({ line: n + 1 }));
  write('1.jsonl', lines);
  const told = new CllmError('internal', 'told to end');
  async function* items(): AsyncGenerator<BatchItem, void, undefined> {
    if (when === 1) abort.abort(told);
    yield* itemsOf(lines);
  }
  const plan = { parts: ['1.jsonl'], cwd: directory(), output: at('all.jsonl'), identity };
  const onMerged = (): void => (when === 2 ? abort.abort(told) : undefined);
  await expect(mergeResults({ ...plan, items: items(), onMerged, signal: abort.signal })).rejects.toBe(told);
  expect(readdirSync(directory())).toEqual(['1.jsonl']);
});

test('a signal ends it before anything is compared, and leaves nothing', async () => {
  write(
    '1.jsonl',
    Array.from({ length: 3000 }, (_, n) => ({ line: n + 1 })),
  );
  abort.abort(new CllmError('internal', 'told to end'));
  expect((await refused(['1.jsonl'])).message).toBe('told to end');
});
