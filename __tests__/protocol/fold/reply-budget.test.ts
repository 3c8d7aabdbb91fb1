import { describe, expect, test } from '@jest/globals';
import { ReplyReader, type Reply } from '../../../src/protocol/reply-reader.ts';
import { chunkOf, dataLine, deltaChunk } from '../chunks.ts';

function replyTo(events: readonly unknown[], maxReplyBytes = 2 ** 28): Reply {
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' }, { maxReplyBytes });
  for (const event of events) reader.push(new TextEncoder().encode(dataLine(event)));
  return reader.finish({ type: 'end' }).reply;
}

const ending = deltaChunk({}, 'stop');
const call = (index: number) => ({ index, id: `c${index}`, function: { name: 'f', arguments: '{}' } });
const list = <Item>(length: number, item: (at: number) => Item): Item[] => Array.from({ length }, (_, at) => item(at));
const members = (count: number) => Object.fromEntries(list(count, (at) => [`m${at}`, 1]));
const choices = (count: number) => list(count, (index) => ({ index, delta: { content: 'a' } }));

describe('what a reply may have so many of, and no more', () => {
  test.each([
    { what: 'calls', most: 1000, delta: (count: number) => ({ tool_calls: list(count, call) }) },
    { what: 'members', most: 1000, delta: (count: number) => ({ content: 'a', ...members(count) }) },
    { what: 'members', most: 1000, delta: (count: number) => ({ content: 'a', extra: members(count) }) },
    {
      what: 'members',
      most: 1000,
      delta: (count: number) => ({ content: 'a', provider_specific_fields: members(count) }),
    },
    { what: 'members', most: 1000, delta: (count: number) => ({ tool_calls: [{ ...call(0), ...members(count) }] }) },
  ])('$most $what', ({ what, most, delta }) => {
    expect(replyTo([deltaChunk(delta(most)), ending]).verdict).toBe('complete');
    const { verdict, end, error } = replyTo([deltaChunk(delta(most + 1)), ending]);
    expect({ verdict, end, message: error?.message }).toEqual({
      verdict: 'cut',
      end: { type: 'limit', limit: what, most },
      message: expect.stringContaining(`${most} ${what}`),
    });
  });

  test('128 choices', () => {
    const finished = chunkOf({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    expect(replyTo([chunkOf({ choices: choices(128) }), finished]).verdict).toBe('complete');
    const { verdict, end } = replyTo([chunkOf({ choices: choices(129) }), finished]);
    expect({ verdict, end }).toEqual({ verdict: 'cut', end: { type: 'limit', limit: 'choices', most: 128 } });
  });

  test('the same over many chunks', () => {
    const chunks = list(1001, (at) => deltaChunk({ tool_calls: [call(at)] }));
    const { verdict, completion } = replyTo([...chunks, ending]);
    expect([verdict, completion?.choices[0]?.message.tool_calls?.length]).toEqual(['cut', 1000]);
  });
});

describe('items that cost more in memory than on the wire', () => {
  const mostBytes = 300_000;
  test.each([
    { name: 'annotations', delta: { content: 'a', annotations: list(1000, () => ({})) } },
    { name: 'images', delta: { images: list(1000, () => ({})) } },
    { name: 'thinking blocks', delta: { thinking_blocks: list(1000, () => ({ signature: 's' })) } },
    { name: 'unknown lists', delta: { content: 'a', things: list(1000, () => ({})) } },
    { name: 'other content parts', delta: { content: list(1000, () => ({ type: 'x' })) } },
    { name: 'log probabilities', delta: { content: 'a' }, logprobs: { content: list(1000, () => ({})) } },
  ])('$name are cut by what they weigh', ({ delta, logprobs }) => {
    const chunk = chunkOf({ choices: [{ index: 0, delta, logprobs }] });
    const wire = JSON.stringify(chunk).length;
    const chunks = list(Math.floor((mostBytes * 0.9) / wire), () => chunk);
    const { verdict, end } = replyTo([...chunks, ending], mostBytes);
    expect({ verdict, end }).toEqual({ verdict: 'cut', end: { type: 'limit', limit: 'memory', most: mostBytes } });
  });

  test('log probabilities that are none are not kept', () => {
    const chunk = chunkOf({
      choices: [{ index: 0, delta: { content: 'a' }, logprobs: { content: [0, null, 'x', []] } }],
    });
    expect(replyTo([chunk, ending]).completion?.choices[0]?.logprobs).toEqual({ content: [] });
  });
});

test.each([499, 501])('%i levels of nesting', (levels) => {
  const deep = JSON.stringify(deltaChunk({ content: 'a', x: 0 })).replace(
    '"x":0',
    `"x":${'['.repeat(levels - 4)}${']'.repeat(levels - 4)}`,
  );
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
  reader.push(new TextEncoder().encode(`data: ${deep}\n\n${dataLine(ending)}`));
  expect(reader.finish({ type: 'end' }).reply.verdict).toBe(levels <= 500 ? 'complete' : 'error');
});
