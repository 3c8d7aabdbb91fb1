import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PromptSource, readPrompt } from '../../../src/cli/input/prompt.ts';
import { InterruptedError } from '../../../src/outcome/errors.ts';
import { decodeText } from '../../../src/files/text-encoding.ts';
import { memoryIo, type MemoryIoOptions } from '../../support/memory-io.ts';
import { seed } from '../../support/seed.ts';

interface Read {
  prompt: string;
  notices: string[];
  isOpened: boolean;
}

async function read(stdin: NonNullable<MemoryIoOptions['stdin']>, source: Partial<PromptSource> = {}): Promise<Read> {
  const io = memoryIo({ stdin });
  const notices: string[] = [];
  const whole = { words: [], isInputNamed: false, isInputIgnored: false, inputTimeout: 60, ...source };
  const prompt = await readPrompt(whole, io.stdin, (text) => notices.push(text), io.signal);
  return { prompt, notices, isOpened: io.stdin.isOpened };
}

describe('standard input is opened', () => {
  const words = ['hi'];
  test.each<[string, NonNullable<MemoryIoOptions['stdin']>['kind'], Partial<PromptSource>, boolean]>([
    ['when it is a pipe', 'pipe', { words }, true],
    ['when it is a file', 'file', { words }, true],
    ['not at a terminal, with words', 'terminal', { words }, false],
    ['not when it is a device, with words', 'none', { words }, false],
    ['when - names it, whatever it is', 'terminal', { words, isInputNamed: true }, true],
    ['not under --no-stdin', 'pipe', { words, isInputIgnored: true }, false],
  ])('%s', async (_name, kind, source, isOpened) => {
    const result = await read({ kind, pieces: ['text'] }, source);
    expect(result).toEqual({
      prompt: isOpened ? 'hi\n\n<stdin>\ntext\n</stdin>' : 'hi',
      notices: [],
      isOpened,
    });
  });
});

describe('there is no prompt', () => {
  test.each<[string, NonNullable<MemoryIoOptions['stdin']>, Partial<PromptSource>]>([
    ['at a terminal without words', { kind: 'terminal' }, {}],
    ['with a device that is empty', { kind: 'none' }, {}],
    ['with an empty file', { kind: 'file' }, {}],
    ['with words that are blank and nothing else', { kind: 'pipe' }, { words: [' ', ''] }],
    ['without words under --no-stdin', { kind: 'pipe', pieces: ['text'] }, { isInputIgnored: true }],
  ])('%s', async (_name, stdin, source) => {
    await expect(read(stdin, source)).rejects.toMatchObject({
      code: 'input_invalid',
      hint: expect.stringContaining('usage: cllm'),
    });
  });
});

describe('a silent pipe', () => {
  test('is a mistake after its timeout, which ends with the first byte', async () => {
    await expect(read({ kind: 'pipe', isSilent: true }, { inputTimeout: 0.01 })).rejects.toMatchObject({
      code: 'stdin_timeout',
      message: 'standard input stayed silent for 0.01 s',
    });
    const io = memoryIo({ stdin: { kind: 'pipe', pieces: ['text'], isSilent: true } });
    const source = { words: [], isInputNamed: false, isInputIgnored: false, inputTimeout: 0.01 };
    const prompt = readPrompt(source, io.stdin, () => {}, io.signal);
    // Many times the timeout, in turns of the loop rather than in seconds.
    await new Promise((resolve) => setTimeout(resolve, 50));
    io.stdin.close();
    expect(await prompt).toBe('text');
  });

  test('does not outlast a signal', async () => {
    const io = memoryIo({ stdin: { kind: 'pipe', isSilent: true } });
    const source = { words: ['hi'], isInputNamed: false, isInputIgnored: false, inputTimeout: 0 };
    const prompt = readPrompt(source, io.stdin, () => {}, io.signal);
    io.abort(new InterruptedError('SIGINT'));
    await expect(prompt).rejects.toMatchObject({ code: 'interrupted', signal: 'SIGINT' });
  });

  test('has a timeout that Node’s timers can hold, however long it is', async () => {
    const io = memoryIo({ stdin: { kind: 'pipe', isSilent: true } });
    const source = { words: ['hi'], isInputNamed: false, isInputIgnored: false, inputTimeout: 1e9 };
    const prompt = readPrompt(source, io.stdin, () => {}, io.signal);
    await new Promise((resolve) => setTimeout(resolve, 20));
    io.stdin.close();
    expect(await prompt).toBe('hi');
  });
});

test('an input that can not be read is a mistake that names the reason', async () => {
  const io = memoryIo();
  const stdin = {
    ...io.stdin,
    kind: 'file' as const,
    // oxlint-disable-next-line require-yield -- it fails before it could
    async *bytes(): AsyncGenerator<Uint8Array> {
      throw Object.assign(new Error('no'), { code: 'EIO' });
    },
  };
  const source = { words: [], isInputNamed: false, isInputIgnored: false, inputTimeout: 0 };
  await expect(readPrompt(source, stdin, () => {}, io.signal)).rejects.toMatchObject({
    code: 'input_invalid',
    message: 'standard input can not be read (EIO)',
  });
});

describe('a text that is no UTF-8', () => {
  test.each<[string, number[], number]>([
    ['a byte that never occurs', [0x68, 0x69, 0xff], 2],
    ['a character that the end tears', [0x68, 0xf0, 0x9f, 0x98], 1],
    ['a continuation without a start', [0x80, 0x68], 0],
    ['an overlong form', [0x68, 0xc0, 0xaf], 1],
    ['half a surrogate pair', [0x68, 0xed, 0xa0, 0x80], 1],
    ['a fault behind U+FFFD itself', [0xef, 0xbf, 0xbd, 0xff], 3],
  ])('is refused with the offset: %s', async (_name, bytes, offset) => {
    await expect(read({ kind: 'pipe', pieces: [Uint8Array.from(bytes)] })).rejects.toMatchObject({
      code: 'input_invalid',
      message: expect.stringContaining(`offset ${offset} `),
    });
  });

  test('is refused at the first offset that does not fit, wherever a byte was put', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (before, after) => {
        fc.pre(!`${before}${after}`.includes('\0'));
        const bytes = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]);
        expect(decodeText(bytes).problem).toContain(`at offset ${Buffer.byteLength(before)} `);
      }),
      { seed },
    );
  });
});

test('what comes in pieces, cut inside a character, is one text', async () => {
  const bytes = [...Buffer.from('wörld 😀')].map((byte) => Uint8Array.of(byte));
  expect((await read({ kind: 'pipe', pieces: bytes })).prompt).toBe('wörld 😀');
});
