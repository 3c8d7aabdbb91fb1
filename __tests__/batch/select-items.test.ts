import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BatchItem, LineFormat } from '../../src/batch/batch-item.ts';
import { isInShard, readItems, withoutDone } from '../../src/batch/select-items.ts';
import { seed } from '../support/seed.ts';

const whole = { index: 1, count: 1 };

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function read(
  text: string,
  {
    shard = whole,
    format = null,
    fileName = null,
  }: { shard?: typeof whole; format?: LineFormat | null; fileName?: string | null } = {},
): Promise<BatchItem[]> {
  const items: BatchItem[] = [];
  for await (const item of readItems(bytesOf(text), { fileName, format, shard, table: null })) items.push(item);
  return items;
}

const prompts = (items: readonly BatchItem[]): unknown[] =>
  items.map(({ request }) => request?.messages[0]?.content ?? null);

test('every line is in one shard and in no other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 20 }), (line, count) => {
      const shards = Array.from({ length: count }, (_, at) => ({ index: at + 1, count }));
      expect(shards.filter((shard) => isInShard(line, shard))).toHaveLength(1);
    }),
    { seed },
  );
  expect([1, 2, 3, 4].filter((line) => isInShard(line, { index: 1, count: 3 }))).toEqual([1, 4]);
});

describe('the items of an input', () => {
  test('are its lines that are not blank, each with its number', async () => {
    const items = await read('a\n\n  \nb\r\n\nc');
    expect(items.map(({ line }) => line)).toEqual([1, 4, 6]);
    expect(prompts(items)).toEqual(['a', 'b', 'c']);
  });

  test.each<[string, string | null, LineFormat | null, unknown[]]>([
    ['{"prompt":"a"}\nb', null, null, ['a', null]],
    ['b\n{"prompt":"a"}', null, null, ['b', '{"prompt":"a"}']],
    ['b', 'x.jsonl', null, [null]],
    ['b', 'x.NDJSON', null, [null]],
    ['{"prompt":"a"}', 'x.txt', 'text', ['{"prompt":"a"}']],
    ['{"prompt":"a"}', 'x.txt', null, ['a']],
    ['\n  {"prompt":"a"}', null, null, ['a']],
  ])('%j of %s as %s', async (text, fileName, format, found) => {
    expect(prompts(await read(text, { fileName, format }))).toEqual(found);
  });

  test.each(['', '\n\n', '   \n\t'])('none in %j is a mistake, and is said at the end', async (text) => {
    await expect(read(text, { fileName: 'x.txt' })).rejects.toMatchObject({
      code: 'input_invalid',
      message: 'x.txt holds no prompt',
    });
  });

  test('none for this shard is none', async () => {
    expect(await read('a', { shard: { index: 2, count: 2 } })).toEqual([]);
  });
});

describe('a name that two items have', () => {
  const twins = '{"custom_id":"x","prompt":"a"}\n{"custom_id":"x","prompt":"b"}\n{"custom_id":"y","prompt":"c"}';

  test('is the first one’s; the other is asked for nothing and has no name', async () => {
    const [first, second, third] = await read(twins);
    expect(first).toMatchObject({ customId: 'x', error: null });
    expect(second).toMatchObject({ customId: null, request: null, error: { code: 'input_invalid' } });
    expect(second?.error?.message).toBe('line 2 has the custom_id of an earlier line');
    expect(third).toMatchObject({ customId: 'y', error: null });
  });

  test('and that makes no sense is refused for that', async () => {
    const [, second] = await read('{"custom_id":"x","prompt":"a"}\n{"custom_id":"x"}');
    expect(second?.error?.message).toBe('line 2 has neither a prompt nor messages');
    expect(second?.customId).toBeNull();
  });

  test('is the first one’s in every shard, also where that is in another', async () => {
    const [own] = await read(twins, { shard: { index: 2, count: 3 } });
    expect(own).toMatchObject({ line: 2, customId: null, request: null, error: { code: 'input_invalid' } });
    const [other] = await read(twins, { shard: { index: 1, count: 3 } });
    expect(other).toMatchObject({ line: 1, customId: 'x', error: null });
  });
});

describe('what earlier runs did', () => {
  async function left(
    text: string,
    { done = [], lines = [] }: { done?: readonly string[]; lines?: readonly number[] },
  ): Promise<{ asked: number[]; skipped: number }> {
    const asked: number[] = [];
    let skipped = 0;
    const earlier = {
      has: (item: { custom_id: string | null; line: number; input_digest: string | null }) =>
        done.includes(item.custom_id ?? `${item.line} ${item.input_digest}`),
      hasLine: ({ line }: { line: number }) => lines.includes(line),
    };
    const items = readItems(bytesOf(text), { fileName: null, format: null, shard: whole, table: null });
    for await (const { line } of withoutDone(items, earlier, () => (skipped += 1))) asked.push(line);
    return { asked, skipped };
  }

  test('is looked for by its name alone where it has one', async () => {
    const keys: unknown[] = [];
    const items = readItems(bytesOf('{"custom_id":"a","prompt":"1"}\n{"prompt":"2"}'), {
      fileName: null,
      format: null,
      shard: whole,
      table: null,
    });
    const earlier = { has: (key: unknown) => keys.push(key) > 0, hasLine: () => false };
    for await (const item of withoutDone(items, earlier, () => {})) throw new Error(`line ${item.line}`);
    expect(keys).toEqual([
      { custom_id: 'a', line: 1, input_digest: null },
      { custom_id: null, line: 2, input_digest: expect.stringMatching(/^[0-9a-f]{16}$/) },
    ]);
  });

  test('is not done again, by its name wherever it stands', async () => {
    const text = '{"custom_id":"a","prompt":"1"}\n{"custom_id":"b","prompt":"2"}';
    expect(await left(text, { done: ['b'], lines: [1] })).toEqual({ asked: [1], skipped: 1 });
  });

  test('is known by its line and what the line said, where it has no name', async () => {
    const [item] = await read('a\nb');
    expect(await left('a\nb', { done: [`1 ${item?.digest}`], lines: [1] })).toEqual({ asked: [2], skipped: 1 });
  });

  test('on a line that says something else now is a mistake', async () => {
    await expect(left('a\nb', { lines: [2] })).rejects.toMatchObject({
      code: 'input_invalid',
      message: 'line 2 of the input has changed since the output was begun',
    });
  });
});
