import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DeltaReader } from '../../../src/cli/views/deltas.ts';
import { programView } from '../../../src/cli/views/create-view.ts';
import { failedOutcome } from '../../../src/cli/views/view.ts';
import { CllmError, InterruptedError, UsageError } from '../../../src/outcome/errors.ts';
import type { ChatCompletionChunk } from '../../../src/protocol/types.ts';
import { checkEvents } from '../../support/check-events.ts';
import { memoryIo } from '../../support/memory-io.ts';
import { seed } from '../../support/seed.ts';
import { arrivalOf } from '../../support/arrival-of.ts';

const chunk = (delta: Record<string, unknown>, index = 0): ChatCompletionChunk => ({
  id: 'x',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index, delta }],
});

describe('deltas', () => {
  test('of one read are one for each kind, in their order', () => {
    const deltas = new DeltaReader().read(
      arrivalOf([
        chunk({ role: 'assistant', reasoning_content: 'a' }),
        chunk({ reasoning: 'b' }),
        chunk({ content: 'c' }),
        chunk({ content: '' }),
        chunk({ content: 'd' }),
        chunk({ content: 'other' }, 1),
        chunk({ reasoning_content: 'e' }),
      ]),
    );
    expect(deltas).toEqual([
      { type: 'reasoning', content: 'ab' },
      { type: 'message', content: 'cd' },
      { type: 'reasoning', content: 'e' },
    ]);
  });

  test('joined are the text, and none ends in half a character that has another half, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary-ascii' })),
        fc.string({ unit: 'grapheme' }),
        fc.nat(9),
        (ascii, text, size) => {
          const whole = ascii.join('') + text;
          const pieces = whole.match(new RegExp(`[^]{1,${size + 1}}`, 'g')) ?? [];
          const reader = new DeltaReader();
          const deltas = [
            ...pieces.flatMap((piece) => reader.read(arrivalOf([chunk({ content: piece })]))),
            ...reader.end(),
          ];
          expect(deltas.map(({ content }) => content).join('')).toBe(whole);
          expect(deltas.filter(({ content }) => Buffer.from(content).toString() !== content)).toEqual([]);
        },
      ),
      { seed },
    );
  });

  test('keep a half that never gets its other half', () => {
    const reader = new DeltaReader();
    expect(reader.read(arrivalOf([chunk({ content: 'a\ud83d' })]))).toEqual([{ type: 'message', content: 'a' }]);
    expect(reader.read(arrivalOf([chunk({ content: 'b' })]))).toEqual([{ type: 'message', content: '\ud83db' }]);
    expect(reader.read(arrivalOf([chunk({ content: '\ud83d' })]))).toEqual([]);
    expect(reader.end()).toEqual([{ type: 'message', content: '\ud83d' }]);
    expect(reader.end()).toEqual([]);
  });

  test('do not fall over what is no chunk', () => {
    const broken = [{}, { choices: null }, { choices: [null] }, { choices: [{ index: 0 }] }, chunk({ content: 7 })];
    expect(new DeltaReader().read(arrivalOf(broken as unknown as ChatCompletionChunk[]))).toEqual([]);
  });
});

describe('a failure before any turn', () => {
  const run = async (format: 'json' | 'stream-json', error: CllmError) => {
    const io = memoryIo();
    await programView(format, io, { model: 'm', baseUrl: 'http://x' }).end(failedOutcome(error));
    return io.stdout.text;
  };

  test.each([
    ['a mistake has no init', new UsageError('no'), 2, ['error', 'result']],
    ['anything else has one', new CllmError('not_in_history', 'no'), 1, ['init', 'error', 'result']],
    ['a signal too', new InterruptedError('SIGINT'), 130, ['init', 'error', 'result']],
  ] as const)('%s', async (_name, error, code, types) => {
    const stdout = await run('stream-json', error);
    const events = checkEvents({ format: 'stream-json', stdout, code, isCutShort: false });
    expect(events.map(({ type }) => type)).toEqual(types);
    const json = await run('json', error);
    expect(checkEvents({ format: 'json', stdout: json, code, isCutShort: false })).toMatchObject([{ exit_code: code }]);
  });
});
