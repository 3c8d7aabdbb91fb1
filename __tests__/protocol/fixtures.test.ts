import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readRecording } from '../../src/journal/recording.ts';
import { litellmVersion } from '../../src/local-proxy/release.ts';
import { ReplyReader, type Reply } from '../../src/protocol/reply-reader.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';

const directory = join('__tests__', 'fixtures');

/** What `npm run record-fixtures` recorded from a real LiteLLM. */
const fixtures = readdirSync(directory)
  .filter((name) => name.endsWith('.rec'))
  .map((name) => {
    const recording = readRecording(join(directory, name));
    return {
      name: name.replace('.rec', ''),
      recording,
      bytes: Buffer.concat([...recording.reads()].map((read) => read.bytes)),
    };
  });

/** The verdicts that are not `complete`, by the end of the fixture's name. */
const verdicts: Record<string, string> = {
  length: 'length',
  'content-filter': 'content_filter',
  empty: 'empty',
  // LiteLLM drops the refusal, and an empty reply is left.
  refusal: 'empty',
  'upstream-cut': 'error',
  'upstream-error': 'error',
  'openai-upstream-junk': 'error',
};

function expectedVerdict(name: string): string {
  return Object.entries(verdicts).find(([situation]) => name.endsWith(situation))?.[1] ?? 'complete';
}

function fold(pieces: Uint8Array[], end: StreamEnd): Reply {
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream; charset=utf-8' });
  for (const piece of pieces) reader.push(piece);
  return reader.finish(end).reply;
}

test('there is a fixture for each provider', () => {
  const providers = new Set(fixtures.map(({ name }) => name.split('-')[0]));
  expect([...providers].toSorted((a, b) => a!.localeCompare(b!))).toEqual(['anthropic', 'gemini', 'openai']);
});

describe.each(fixtures)('$name', ({ name, recording, bytes }) => {
  const whole = fold([bytes], { type: 'end' });

  test('was recorded from the LiteLLM that cllm is tested with', () => {
    expect(recording.meta).toMatchObject({ litellm: litellmVersion, origin: expect.stringContaining('real LiteLLM') });
    expect(recording.isTorn).toBe(false);
  });

  test('ends as it did when it was recorded', () => {
    expect(whole.verdict).toBe(expectedVerdict(name));
    expect(whole.end.type).toBe(recording.end?.type);
  });

  test('gives the same reply however its bytes are cut', () => {
    const completion = JSON.stringify(whole.completion);
    const different: number[] = [];
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const reply = fold([bytes.subarray(0, cut), bytes.subarray(cut)], { type: 'end' });
      if (JSON.stringify(reply.completion) !== completion || reply.verdict !== whole.verdict) different.push(cut);
    }
    expect(different).toEqual([]);
    const single = fold(
      Array.from(bytes, (byte) => Uint8Array.of(byte)),
      { type: 'end' },
    );
    expect(single).toEqual(whole);
  });

  test('lost anywhere before its finish_reason it is never complete', () => {
    const finish = bytes.indexOf('"finish_reason"');
    const isFinishless = finish === -1;
    // Where the event with the finish_reason has come whole.
    const finishedAt = isFinishless ? bytes.length : bytes.indexOf('\n', finish);
    const wrong: number[] = [];
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const { verdict } = fold([bytes.subarray(0, cut)], { type: 'lost', message: 'connection reset' });
      const isRight = cut < finishedAt ? verdict === 'cut' || verdict === 'error' || verdict === null : true;
      if (!isRight) wrong.push(cut);
    }
    expect(wrong).toEqual([]);
  });
});
