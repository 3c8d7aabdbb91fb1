import path from 'node:path';
import { expect, test } from '@jest/globals';
import { replay } from '../../src/conversation/replay.ts';
import { RecordedReply } from '../../src/conversation/recorded-reply.ts';
import type { TurnResult } from '../../src/conversation/turn.ts';
import { readRecording, type RecordedHead, type Recording, RecordingWriter } from '../../src/journal/recording.ts';
import { InterruptedError } from '../../src/outcome/errors.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';
import { finishChunk, textChunk } from '../support/fake-upstream.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

test.each([
  ['a recording of --record', { model: 'gpt' }, 'gpt'],
  ['a journal, which has it with its turn', { conversation_id: null, turn_id: 't', turn: { model: 'gpt' } }, 'gpt'],
  ['one that names none', { turn: null }, 'unknown'],
])('the model of %s', async (_who, meta, model) => {
  const writer = new RecordingWriter(path.join(directory(), 'a.rec'), meta);
  writer.head({
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    url: 'http://proxy/v1/chat/completions',
  });
  writer.read(Buffer.from(`data: ${JSON.stringify(textChunk('Hello'))}\n\n`));
  writer.close();
  const models: string[] = [];
  const result = await replay(readRecording(path.join(directory(), 'a.rec')), {
    speed: null,
    observer: { begin: (facts) => void models.push(facts.model) },
    signal: new AbortController().signal,
  });
  expect(models).toEqual([model]);
  expect(result).toMatchObject({ verdict: 'cut', receipt: { modelRequested: model } });
});

let made = 0;

/** A recording with the times that are given: milliseconds, and what was read then. */
function recordingOf(
  reads: readonly (readonly [number, string])[],
  { end, endMs = 0, limits = {} }: { end?: StreamEnd; endMs?: number; limits?: RecordedHead['limits'] } = {},
): Recording {
  let now = 0;
  made += 1;
  const file = path.join(directory(), `${made}.rec`);
  const writer = new RecordingWriter(file, { model: 'gpt' }, { clock: () => now });
  writer.head({ status: 200, headers: { 'content-type': 'text/event-stream' }, url: 'http://proxy', limits });
  for (const [at, text] of reads) {
    now = at;
    writer.read(Buffer.from(text));
  }
  now = Math.max(now, endMs);
  if (end !== undefined) writer.end(end);
  writer.close();
  return readRecording(file);
}

const data = (text: string): string => `data: ${JSON.stringify(textChunk(text))}\n\n`;
const finish = `data: ${JSON.stringify(finishChunk())}\n\ndata: [DONE]\n\n`;
const never = new AbortController().signal;

/** What an observer was told, a text for each arrival. */
async function watched(
  recording: Recording,
  options: { speed?: number | null; signal?: AbortSignal; onText?: (text: string) => void } = {},
): Promise<{ result: TurnResult; texts: string[] }> {
  const texts: string[] = [];
  const result = await replay(recording, {
    speed: options.speed ?? null,
    signal: options.signal ?? never,
    observer: {
      arrival: (arrival) => {
        const text = [...arrival.chunks()].map(({ choices }) => choices[0]?.delta?.content ?? '').join('');
        texts.push(text);
        options.onText?.(text);
      },
    },
  });
  return { result, texts };
}

test('a whole recording is the reply that it was, read by read, with its times', async () => {
  const recording = recordingOf(
    [
      [10, ': ping\n\n'],
      [40, data('Hel')],
      [70, data('lo')],
      [90, finish],
    ],
    { end: { type: 'end' }, endMs: 95 },
  );
  const { result, texts } = await watched(recording);
  expect(texts.filter((text) => text !== '')).toEqual(['Hel', 'lo']);
  expect(result).toMatchObject({
    conversationId: null,
    verdict: 'complete',
    error: null,
    unsaved: null,
    completion: { choices: [{ message: { content: 'Hello' } }] },
    receipt: { modelRequested: 'gpt', ttftMs: 40, durationMs: 95, retries: 0 },
  });
});

test('nobody has to watch, and what came after the reply was over is no part of it', async () => {
  const recording = recordingOf([
    [0, data('Hello') + finish],
    [5, data(' again')],
  ]);
  const result = await replay(recording, { speed: null, signal: never, observer: {} });
  expect(result).toMatchObject({ verdict: 'complete', completion: { choices: [{ message: { content: 'Hello' } }] } });
});

test.each<[string, StreamEnd | undefined, string]>([
  ['that was lost', { type: 'lost', message: 'reset' }, 'cut'],
  ['that nobody ended, for its process was killed', undefined, 'cut'],
  ['that a signal ended', { type: 'signal', signal: 'SIGINT' }, 'interrupted'],
])('one %s keeps what came, and is no whole reply', async (_name, end, verdict) => {
  const { result, texts } = await watched(recordingOf([[0, data('Hel')]], end === undefined ? {} : { end }));
  expect([texts.join(''), result.verdict, result.error === null]).toEqual(['Hel', verdict, false]);
  expect(result.completion?.choices[0]?.message.content).toBe('Hel');
});

test('a pace is kept: what came a minute later is not told at once, and at a thousand times the pace it is', async () => {
  const minute = recordingOf(
    [
      [0, data('first')],
      [60_000, data('later') + finish],
    ],
    { end: { type: 'end' }, endMs: 60_000 },
  );
  const stopping = new AbortController();
  const early = await watched(minute, {
    speed: 1,
    signal: stopping.signal,
    onText: () => setImmediate(() => stopping.abort(new InterruptedError('SIGTERM'))),
  });
  expect(early.texts).toEqual(['first']);
  expect(early.result).toMatchObject({ verdict: 'interrupted', error: { code: 'interrupted' } });
  const quick = await watched(minute, { speed: 60_000 });
  expect([quick.texts.join(''), quick.result.verdict]).toEqual(['firstlater', 'complete']);
});

test('a signal between two reads ends a replay that does not wait', async () => {
  const stopping = new AbortController();
  const { result, texts } = await watched(
    recordingOf([
      [0, data('one')],
      [0, data('two') + finish],
    ]),
    { signal: stopping.signal, onText: () => stopping.abort(new InterruptedError('SIGINT')) },
  );
  expect(texts).toEqual(['one']);
  expect(result).toMatchObject({ verdict: 'interrupted', completion: { choices: [{ message: { content: 'one' } }] } });
});

test('what an observer throws is thrown on', async () => {
  const observer = {
    arrival: () => {
      throw new Error('the pipe is closed');
    },
  };
  await expect(replay(recordingOf([[0, data('one')]]), { speed: null, signal: never, observer })).rejects.toThrow(
    'the pipe is closed',
  );
});

test.each([
  [{ maxReplyBytes: 400 }, 'cut'],
  [{ maxEventBytes: 20 }, 'cut'],
  [{ maxReplyBytes: 0, maxEventBytes: -1 }, 'complete'],
  [{ maxReplyBytes: '5' as unknown as number, maxEventBytes: 1.5 }, 'complete'],
  [undefined, 'complete'],
])('the limits of its run hold again, and what is no limit is none: %j', async (limits, verdict) => {
  const { result } = await watched(recordingOf([[0, data('Hello'.repeat(100)) + finish]], { limits }));
  expect(result.verdict === 'complete').toBe(verdict === 'complete');
});

test('where no head came, there was no reply', async () => {
  const file = path.join(directory(), 'headless.rec');
  const writer = new RecordingWriter(file, { model: 'gpt' });
  writer.end({ type: 'lost', message: 'ECONNREFUSED' });
  writer.close();
  const { result } = await watched(readRecording(file));
  expect([result.verdict === 'complete', result.receipt]).toEqual([false, null]);
});

test('a reply looked at by nobody has come all the same', () => {
  const recorded = new RecordedReply(
    recordingOf([
      [3, data('Hel')],
      [8, data('lo') + finish],
    ]),
  );
  expect(recorded.isOver).toBe(false);
  recorded.takeAll();
  expect([recorded.isOver, recorded.times]).toEqual([true, { firstContentAtMs: 3, lastReadAtMs: 8 }]);
  expect(recorded.finish({ type: 'end' }).reply).toMatchObject({ verdict: 'complete' });
});
