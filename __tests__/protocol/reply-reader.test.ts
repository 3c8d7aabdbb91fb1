import { describe, expect, test } from '@jest/globals';

import { DeadlineError, InterruptedError } from '../../src/outcome/errors.ts';
import { ReplyReader, type Reply, type ReplyHead, type ReplyReaderOptions } from '../../src/protocol/reply-reader.ts';
import type { ChatCompletionChunk } from '../../src/protocol/types.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';
import { chunkOf, choiceOf, dataLine, deltaChunk } from './chunks.ts';

const eventStream: ReplyHead = { status: 200, contentType: 'text/event-stream; charset=utf-8' };
const cleanEnd: StreamEnd = { type: 'end' };
const doneLine = 'data: [DONE]\n\n';
const text = dataLine(deltaChunk({ role: 'assistant', content: 'Hello' }));
const finish = dataLine(deltaChunk({}, 'stop'));
const goodStream = text + finish + doneLine;
const errorLine = dataLine({ error: { message: 'no', type: null, param: null, code: '500' } });

interface Read {
  chunks: ChatCompletionChunk[];
  reply: Reply;
  wasOver: boolean;
}

function read(
  body: string | Uint8Array,
  {
    head = eventStream,
    end = cleanEnd,
    options = {},
    size,
  }: { head?: ReplyHead; end?: StreamEnd; options?: ReplyReaderOptions; size?: number } = {},
): Read {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const reader = new ReplyReader(head, options);
  const chunks: ChatCompletionChunk[] = [];
  const step = size ?? Math.max(bytes.length, 1);
  for (let from = 0; from < bytes.length; from += step) {
    chunks.push(...reader.push(bytes.subarray(from, from + step)).chunks());
  }
  const wasOver = reader.isOver;
  const last = reader.finish(end);
  return { chunks: [...chunks, ...last.arrival.chunks()], reply: last.reply, wasOver };
}

/** What a body comes to, however it is cut. */
function outcome(body: string, settings: Parameters<typeof read>[1] = {}) {
  const whole = read(body, settings);
  for (const size of [1, 2, 7, 64]) {
    const cut = read(body, { ...settings, size });
    expect(cut.chunks).toEqual(whole.chunks);
    expect(cut.reply).toEqual(whole.reply);
  }
  const { reply } = whole;
  return {
    verdict: reply.verdict,
    end: reply.end.type,
    code: reply.error?.code ?? null,
    content: reply.completion?.choices[0]?.message.content,
  };
}

describe('how a stream ends', () => {
  test.each([
    ['finish and [DONE]', goodStream, 'complete', 'done', null],
    ['finish without [DONE]', text + finish, 'complete', 'end', null],
    ['[DONE] without finish', text + doneLine, 'cut', 'done', 'stream_cut'],
    ['neither', text, 'cut', 'end', 'stream_cut'],
    ['nothing at all', '', 'cut', 'end', 'stream_cut'],
    ['comments alone', ': ping\n\n: ping\n\n', 'cut', 'end', 'stream_cut'],
    ['[DONE] alone', doneLine, 'cut', 'done', 'stream_cut'],
    ['a torn line before the finish', text + finish.slice(0, 30), 'cut', 'torn', 'stream_cut'],
    ['a torn line after the finish', text + finish + text.slice(0, 30), 'complete', 'torn', null],
    ['the last blank line missing', text + finish.trimEnd(), 'complete', 'end', null],
    ['the blank line of [DONE] missing', text + finish + doneLine.trimEnd(), 'complete', 'done', null],
    ['several [DONE]', goodStream + doneLine, 'complete', 'done', null],
    ['data after [DONE]', goodStream + text + errorLine, 'complete', 'done', null],
    ['a padded [DONE]', `${text}${finish}data:  [DONE] \n\n`, 'complete', 'done', null],
    ['an error frame before any text', errorLine, 'error', 'error', 'stream_error'],
    ['an error frame after text', text + errorLine, 'error', 'error', 'stream_error'],
    ['an error frame after the finish', text + finish + errorLine + doneLine, 'error', 'error', 'stream_error'],
    ['an error frame, then more text', text + errorLine + text, 'error', 'error', 'stream_error'],
    ['an error frame without its blank line', text + errorLine.trimEnd(), 'error', 'error', 'stream_error'],
    ['event: error', `${text}event: error\ndata: {"message":"no"}\n\n`, 'error', 'error', 'stream_error'],
    ['a data line that is no JSON', `${text}data: {oops}\n\n${finish}`, 'error', 'error', 'stream_error'],
    [
      'a budget in an error frame',
      text + dataLine({ error: { message: 'No deployments available - crossed budget: …', code: '429' } }),
      'error',
      'error',
      'budget_exceeded',
    ],
    ['length', text + dataLine(deltaChunk({}, 'length')) + doneLine, 'length', 'done', 'reply_short'],
    [
      'a content filter',
      text + dataLine(deltaChunk({}, 'content_filter')) + doneLine,
      'content_filter',
      'done',
      'reply_filtered',
    ],
    [
      'an unknown finish_reason',
      text + dataLine(deltaChunk({}, 'whatever')) + doneLine,
      'error',
      'done',
      'stream_error',
    ],
  ])('%s', (_name, body, verdict, end, code) => {
    expect(outcome(body)).toMatchObject({ verdict, end, code });
  });

  test('a finish without content is empty', () => {
    expect(outcome(finish + doneLine)).toMatchObject({ verdict: 'empty', code: 'reply_empty' });
  });

  test.each([
    ['lost', { type: 'lost', message: 'reset' }, 'cut', 'stream_cut'],
    ['deadline', { type: 'deadline', deadline: 'idle', seconds: 120 }, 'timed_out', 'idle_timeout'],
    ['signal', { type: 'signal', signal: 'SIGINT' }, 'interrupted', 'interrupted'],
    ['abort', { type: 'signal', signal: null }, 'interrupted', 'interrupted'],
  ] satisfies [string, StreamEnd, string, string][])(
    '%s before, after and without text',
    (_name, end, verdict, code) => {
      for (const body of [text, '']) expect(outcome(body, { end })).toMatchObject({ verdict, code });
      expect(outcome(text + finish, { end }).verdict).toBe(end.type === 'lost' ? 'complete' : verdict);
      // What the stream decided before stands.
      expect(outcome(goodStream, { end })).toMatchObject({ verdict: 'complete', end: 'done' });
      expect(outcome(text + errorLine, { end })).toMatchObject({ verdict: 'error', end: 'error' });
    },
  );

  test('an unclosed event counts at a clean end only', () => {
    const body = text + finish.trimEnd();
    expect(outcome(body, { end: { type: 'lost', message: 'reset' } }).verdict).toBe('cut');
    expect(read(body).reply.isUnterminated).toBe(true);
    expect(read(goodStream).reply.isUnterminated).toBe(false);
  });

  test('what came is in the completion and in the error, whatever the end', () => {
    const { reply } = read(text + errorLine);
    expect(reply.completion?.choices[0]?.message.content).toBe('Hello');
    expect(reply.error?.completion).toBe(reply.completion);
    expect(reply.error?.message).toBe('the stream ended in an error: no');
  });

  test('errors have their classes', () => {
    const interrupted = read(text, { end: { type: 'signal', signal: 'SIGTERM' } }).reply.error;
    expect(interrupted instanceof InterruptedError && interrupted.signal).toBe('SIGTERM');
    const timedOut = read(text, { end: { type: 'deadline', deadline: 'first-token', seconds: 300 } }).reply.error;
    expect(timedOut instanceof DeadlineError && timedOut.deadline).toBe('first-token');
    expect(timedOut?.message).toBe('no content within 300 s (the first-token deadline)');
    expect(timedOut?.hint).toContain('--first-token-timeout');
  });

  test("LiteLLM's paragraph about its model group stays out of the message", () => {
    const message =
      "litellm.APIError: boom\n\nLiteLLM: model group 'x' failed with the error above and has no fallbacks.";
    expect(read(dataLine({ error: { message } })).reply.error?.message).toBe(
      'the stream ended in an error: litellm.APIError: boom',
    );
  });

  test('an unknown finish_reason is named', () => {
    expect(read(text + dataLine(deltaChunk({}, 'pause_turn'))).reply.error?.message).toContain('"pause_turn"');
    expect(read(text + dataLine(deltaChunk({}, 'x'.repeat(10_000)))).reply.error?.message.length).toBeLessThan(200);
  });
});

describe('push()', () => {
  test('gives each chunk with the read that completed it, exactly as it came', () => {
    const reader = new ReplyReader(eventStream);
    const bytes = new TextEncoder().encode(goodStream);
    const cut = text.length - 1;
    expect(reader.push(bytes.subarray(0, cut)).chunks()).toEqual([]);
    expect(reader.hasContent).toBe(false);
    expect(reader.push(bytes.subarray(cut, cut + 1)).chunks()).toEqual([
      deltaChunk({ role: 'assistant', content: 'Hello' }),
    ]);
    expect(reader.hasContent).toBe(true);
    expect(reader.isOver).toBe(false);
    expect(reader.push(bytes.subarray(cut + 1)).chunks()).toEqual([deltaChunk({}, 'stop')]);
    expect(reader.isOver).toBe(true);
    expect(reader.push(bytes).chunks()).toEqual([]);
  });

  test.each([
    ['a role', dataLine(deltaChunk({ role: 'assistant', content: '' }))],
    ['a comment', ': ping\n\n'],
    ['a finish', finish],
  ])('%s is no content', (_name, body) => {
    const reader = new ReplyReader(eventStream);
    reader.push(new TextEncoder().encode(body));
    expect(reader.hasContent).toBe(false);
  });

  test('the caller may use its buffer again', () => {
    const body = '{"error":{"message":"no"}}';
    const reader = new ReplyReader({ status: 200, contentType: 'application/json' });
    const buffer = new Uint8Array(8);
    for (let from = 0; from < body.length; from += 8) {
      const { written } = new TextEncoder().encodeInto(body.slice(from, from + 8), buffer);
      reader.push(buffer.subarray(0, written));
      buffer.fill(0);
    }
    expect(reader.finish(cleanEnd).reply.verdict).toBe('error');
  });

  test('a fallback notice is kept apart', () => {
    const notice = chunkOf({
      id: 'litellm-fallback-metadata',
      model: 'rescue',
      litellm_fallback: { fallback_model: 'rescue', errors: [] },
    });
    const { chunks, reply } = read(text + dataLine(notice) + finish);
    expect(chunks).toHaveLength(2);
    expect(reply.fallback).toEqual({ fallbackModel: 'rescue', errors: [] });
    expect(reply.completion?.model).toBe('gpt-4o-mini');
  });
});

describe('limits', () => {
  test('a reply past maxReplyBytes is cut, at the same byte however it came', () => {
    const body = text.repeat(10) + finish;
    const maxReplyBytes = text.length * 3 + 5;
    expect(outcome(body, { options: { maxReplyBytes } })).toEqual({
      verdict: 'cut',
      end: 'limit',
      code: 'stream_cut',
      content: 'Hello'.repeat(3),
    });
    expect(read(body, { options: { maxReplyBytes } }).wasOver).toBe(true);
    expect(outcome(body, { options: { maxReplyBytes: body.length } }).verdict).toBe('complete');
  });

  test('an event past maxEventBytes is an error', () => {
    const body = `${text}data: ${'x'.repeat(1000)}`;
    expect(outcome(body, { options: { maxEventBytes: 500 } })).toEqual({
      verdict: 'error',
      end: 'limit',
      code: 'event_too_large',
      content: 'Hello',
    });
    expect(read(body, { options: { maxEventBytes: 500 } }).wasOver).toBe(true);
  });

  test('a JSON body is bounded too', () => {
    expect(
      outcome(JSON.stringify({ error: 'x'.repeat(100) }), {
        head: { status: 200, contentType: 'application/json' },
        options: { maxReplyBytes: 50 },
      }),
    ).toMatchObject({ verdict: 'cut', end: 'limit' });
  });
});

describe('a body that is no event stream', () => {
  const completion = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: {
          role: 'assistant',
          content: 'Hi',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    x_extra: { kept: true },
  };
  const bodies = {
    events: goodStream,
    'events after a comment': `: ping\n\n${goodStream}`,
    'events after a byte order mark': `\uFEFF${goodStream}`,
    'events that begin with event:': `event: message\n${goodStream}`,
    'a completion': `\n ${JSON.stringify(completion)}`,
    'a completion after a byte order mark': `\uFEFF${JSON.stringify(completion)}`,
    'an error': '{"error":{"message":"no","code":429}}',
    'an error in a list': '[{"error":{"message":"no"}}]',
    'an error of FastAPI': '{"detail":"Not Found"}',
    'another object': '{"object":"list","data":[]}',
    'half an object': '{"id":"1","choices":[',
    'a page': '<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>',
    text: 'Internal Server Error',
    'a word that begins like a field': 'database down',
    nothing: '',
  };
  type BodyName = keyof typeof bodies;
  const verdicts: [BodyName, string | null, string | null][] = [
    ['events', 'complete', null],
    ['events after a comment', 'complete', null],
    ['events after a byte order mark', 'complete', null],
    ['events that begin with event:', 'complete', null],
    ['a completion', 'complete', null],
    ['a completion after a byte order mark', 'complete', null],
    // Its code is 429.
    ['an error', 'error', 'rate_limited'],
    ['an error in a list', 'error', 'stream_error'],
    ['an error of FastAPI', 'error', 'stream_error'],
    ['another object', null, 'unexpected_response'],
    ['half an object', 'cut', 'stream_cut'],
    ['a page', null, 'unexpected_response'],
  ];

  describe.each([
    'text/event-stream',
    'text/event-stream;charset=utf-8',
    'application/json',
    'text/html',
    'text/plain',
    '',
    null,
  ])('content type %j', (contentType) => {
    test.each(verdicts)('%s: verdict %j', (name, verdict, code) => {
      expect(outcome(bodies[name], { head: { status: 200, contentType } })).toMatchObject({ verdict, code });
    });

    test.each(['text', 'a word that begins like a field', 'nothing'] as const)(
      '%s: the content type decides',
      (name) => {
        const isEventStream = contentType?.startsWith('text/event-stream') ?? false;
        expect(outcome(bodies[name], { head: { status: 200, contentType } }).verdict).toBe(
          isEventStream ? 'cut' : null,
        );
      },
    );
  });

  test('a completion is kept exactly as received, and shown through one chunk', () => {
    const { chunks, reply } = read(JSON.stringify(completion), {
      head: { status: 200, contentType: 'application/json' },
    });
    expect(reply.completion).toEqual(completion);
    expect(chunks).toHaveLength(1);
    expect(chunks[0]?.object).toBe('chat.completion.chunk');
    expect(chunks[0]?.choices[0]?.delta.content).toBe('Hi');
    expect(chunks[0]?.choices[0]?.delta.tool_calls?.map(({ index }) => index)).toEqual([0, 1]);
    expect(chunks[0]?.choices[0]?.finish_reason).toBe('stop');
  });

  test('a completion as the data of an event is the reply too', () => {
    expect(read(dataLine(completion) + doneLine).reply).toMatchObject({ verdict: 'complete', completion });
  });

  test('a completion is judged like a stream', () => {
    const head = { status: 200, contentType: 'application/json' };
    const withFinish = (finish_reason: unknown, message: unknown = { content: 'a' }) =>
      outcome(JSON.stringify({ ...completion, choices: [{ finish_reason, message }] }), { head }).verdict;
    expect(withFinish('stop')).toBe('complete');
    expect(withFinish('length')).toBe('length');
    expect(withFinish(null)).toBe('cut');
    expect(withFinish('stop', { content: null })).toBe('empty');
    expect(withFinish('stop', { content: null, provider_specific_fields: { refusal: 'no' } })).toBe('complete');
    expect(withFinish(3, { content: 5, tool_calls: 'x' })).toBe('error');
  });

  test.each<[string, unknown, string, string | undefined]>([
    ['a text', 'no', 'complete', 'no'],
    ['an empty one', '', 'empty', undefined],
    ['what is no text', [{ refusal: 'no' }], 'empty', undefined],
  ])(
    'a refusal where LiteLLM leaves it counts as far as it is shown, streamed or not: %s',
    (_name, refusal, verdict, shown) => {
      const fields = { provider_specific_fields: { refusal } };
      const whole = JSON.stringify({
        ...completion,
        choices: [{ finish_reason: 'stop', message: { content: null, ...fields } }],
      });
      const streamed = dataLine({ ...deltaChunk({ content: '', ...fields }) }) + finish + doneLine;
      for (const { reply } of [
        read(whole, { head: { status: 200, contentType: 'application/json' } }),
        read(streamed),
      ]) {
        expect({ verdict: reply.verdict, shown: reply.completion?.choices[0]?.message.refusal }).toEqual({
          verdict,
          shown,
        });
      }
    },
  );

  test('what stopped us wins over what the body is', () => {
    for (const name of Object.keys(bodies) as BodyName[]) {
      if (name.startsWith('events')) continue;
      const head = { status: 200, contentType: null };
      expect(outcome(bodies[name], { head, end: { type: 'signal', signal: 'SIGINT' } }).verdict).toBe('interrupted');
      expect(outcome(bodies[name], { head, end: { type: 'deadline', deadline: 'total', seconds: 1 } }).verdict).toBe(
        'timed_out',
      );
    }
  });

  test('a page is named by its title, a body by its type, and neither is quoted', () => {
    const message = (body: string, contentType: string | null) =>
      read(body, { head: { status: 200, contentType } }).reply.error?.message;
    expect(message(bodies['a page'], 'text/html')).toBe(
      'the answer is no reply: HTTP 200 with an HTML page titled "Log in"',
    );
    expect(message('<html>', null)).toBe('the answer is no reply: HTTP 200 with an HTML page');
    expect(message('secret', 'text/plain')).toBe('the answer is no reply: HTTP 200 with a body of type text/plain');
    expect(message('secret', null)).toBe('the answer is no reply: HTTP 200 with a body without a content type');
    expect(message('', null)).toBe('the answer is no reply: HTTP 200 with an empty body');
  });

  test.each([204, 302, 500])('status %i is no reply, whatever the body', (status) => {
    for (const body of ['', goodStream]) {
      expect(outcome(body, { head: { status, contentType: 'text/event-stream' } })).toMatchObject({
        verdict: null,
        code: 'unexpected_response',
      });
    }
  });

  test('an endless page is over once its title can be told', () => {
    const reader = new ReplyReader({ status: 200, contentType: 'text/html' });
    reader.push(new TextEncoder().encode('<title>Log in</title>'));
    expect(reader.isOver).toBe(false);
    for (let count = 0; count < 70; count += 1) reader.push(new Uint8Array(1024).fill(0x20));
    expect(reader.isOver).toBe(true);
    expect(reader.finish(cleanEnd).reply.error?.message).toContain('Log in');
  });

  test('a body of white space that never ends is judged by its content type', () => {
    const space = ' '.repeat(70_000);
    expect(
      read(space + goodStream.repeat(1), { head: { status: 200, contentType: 'text/plain' }, size: 1000 }).reply
        .verdict,
    ).toBeNull();
    expect(read(`${space}\n${goodStream}`, { size: 1000 }).reply.verdict).toBe('complete');
  });
});

test('several choices: choice 0 decides', () => {
  const both = dataLine(chunkOf({ choices: [choiceOf({ content: 'a' }), choiceOf({ content: 'b' }, { index: 1 })] }));
  expect(read(both + finish + doneLine).reply.verdict).toBe('complete');
  expect(
    read(both + dataLine(chunkOf({ choices: [choiceOf({}, { index: 1, finish_reason: 'stop' })] })) + doneLine).reply
      .verdict,
  ).toBe('cut');
});
