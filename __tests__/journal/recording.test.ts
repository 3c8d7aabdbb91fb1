import { execFileSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  isRecordingBegun,
  readRecording,
  readRecordingMeta,
  type Recording,
  RecordingWriter,
} from '../../src/journal/recording.ts';
import { useChildScript } from '../support/child-script.ts';
import { seed } from '../support/seed.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const beginRecording = useChildScript('journal/begin-recording.ts');
const fileOf = (name = 'a.recording'): string => join(directory(), name);
const head = {
  status: 200,
  headers: { 'content-type': 'text/event-stream' },
  url: 'http://127.0.0.1/v1/chat/completions',
};

function clockOf(...times: number[]): () => number {
  let last = 0;
  return () => (last = times.shift() ?? last);
}

function stateOf(file: string): Pick<Recording, 'isTorn' | 'end' | 'heads'> {
  const { isTorn, end, heads } = readRecording(file);
  return { isTorn, end, heads };
}

function bytesOf(file: string): string[] {
  return [...readRecording(file).reads()].map(({ bytes }) => Buffer.from(bytes).toString('latin1'));
}

describe('a recording', () => {
  test('is these bytes', () => {
    const writer = new RecordingWriter(
      fileOf(),
      { cllm: '0.1.0', origin: 'hand' },
      { clock: clockOf(1000, 1000.4, 1012.6, 1013) },
    );
    writer.head(head);
    writer.read(Buffer.from('data: {"é'.slice(0, 9)));
    writer.end({ type: 'done' });
    writer.close();
    expect(readFileSync(fileOf(), 'utf8')).toBe(
      [
        'cllm-recording 1',
        'meta {"cllm":"0.1.0","origin":"hand"}',
        `head 0 ${JSON.stringify(head)}`,
        'read 13 10',
        'data: {"é',
        'end 13 {"type":"done"}',
        '',
      ].join('\n'),
    );
  });

  test('gives back what was written', () => {
    const writer = new RecordingWriter(fileOf(), { cllm: '0.1.0' }, { clock: clockOf(0, 1, 2, 3, 4) });
    writer.head(head);
    writer.read(Buffer.from('one'));
    writer.read(Buffer.from([0, 10, 13, 255]));
    writer.end({ type: 'lost', message: 'reset' });
    writer.close();
    const recording = readRecording(fileOf());
    expect(recording).toMatchObject({
      meta: { cllm: '0.1.0' },
      head,
      heads: 1,
      byteLength: 7,
      end: { type: 'lost', message: 'reset' },
      endedAtMs: 4,
      isTorn: false,
    });
    for (let time = 0; time < 2; time += 1) {
      expect([...recording.reads()]).toEqual([
        { atMs: 2, bytes: Buffer.from('one') },
        { atMs: 3, bytes: Buffer.from([0, 10, 13, 255]) },
      ]);
    }
    expect(readRecordingMeta(fileOf())).toEqual({ cllm: '0.1.0' });
  });

  test('starts again with each head: only the last response counts', () => {
    const writer = new RecordingWriter(fileOf(), {});
    writer.head({ ...head, status: 503 });
    writer.read(Buffer.from('busy'));
    writer.head(head);
    writer.read(Buffer.from('ok'));
    writer.close();
    expect(readRecording(fileOf())).toMatchObject({ head, heads: 2, byteLength: 2, end: null });
    expect(bytesOf(fileOf())).toEqual(['ok']);
  });

  test('holds any bytes in any pieces', () => {
    let run = 0;
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
    const lookalike = fc
      .constantFrom('\nend 0 {"type":"done"}\n', 'read 0 5\n', 'cllm-recording 1\n')
      .map((text) => new Uint8Array(Buffer.from(text)));
    fc.assert(
      fc.property(fc.oneof(pieces, fc.array(lookalike, { maxLength: 5 })), (reads) => {
        const file = fileOf(`${(run += 1)}.recording`);
        const writer = new RecordingWriter(file, {});
        writer.head(head);
        for (const bytes of reads) writer.read(bytes);
        writer.close();
        expect(bytesOf(file)).toEqual(reads.map((bytes) => Buffer.from(bytes).toString('latin1')));
        expect(readRecording(file)).toMatchObject({ isTorn: false, end: null });
      }),
      { seed, numRuns: 200 },
    );
  });

  test('is read a window at a time, with reads and a prompt larger than that', () => {
    const prompt = 'p'.repeat(300_000);
    const writer = new RecordingWriter(fileOf(), { prompt });
    writer.head(head);
    const sizes = [0, 1, 65_535, 65_536, 65_537, 1_000_000, 3];
    for (const [index, size] of sizes.entries()) writer.read(Buffer.alloc(size, index + 1));
    writer.end({ type: 'end' });
    writer.close();
    const recording = readRecording(fileOf());
    expect(recording.meta).toEqual({ prompt });
    expect(recording.byteLength).toBe(sizes.reduce((sum, size) => sum + size));
    // The bytes of one read stay as they are while the next ones are read.
    const reads = [...recording.reads()];
    expect(reads.map(({ bytes }) => bytes.length)).toEqual(sizes);
    expect(reads.every(({ bytes }, index) => bytes.every((byte) => byte === index + 1))).toBe(true);
  });
});

describe('a torn recording', () => {
  test('gives every whole entry before the tear, wherever it is', () => {
    const reads = ['data: one\n\n', 'data: größer\n\n', 'data: [DONE]\n\n'];
    const writer = new RecordingWriter(fileOf(), { turn_id: 'x' });
    writer.head(head);
    const wholeAt = [lstatSync(fileOf()).size];
    for (const read of reads) {
      writer.read(Buffer.from(read));
      wholeAt.push(lstatSync(fileOf()).size);
    }
    writer.end({ type: 'done' });
    writer.close();
    const whole = readFileSync(fileOf());
    for (let length = whole.length - 1; length > 16; length -= 1) {
      truncateSync(fileOf(), length);
      const recording = readRecording(fileOf());
      const count = wholeAt.findLastIndex((size) => size <= length);
      expect({ length, reads: [...recording.reads()].map(({ bytes }) => Buffer.from(bytes).toString()) }).toEqual({
        length,
        reads: reads.slice(0, Math.max(0, count)),
      });
      expect({ length, isTorn: recording.isTorn }).toEqual({ length, isTorn: !isEntryEnd(whole, length) });
      expect(recording.end).toBeNull();
    }
  });

  /** Whether the file was whole when it was that long. */
  function isEntryEnd(whole: Buffer, length: number): boolean {
    const boundaries: number[] = [];
    for (let offset = 0; offset < whole.length;) {
      const lineEnd = whole.indexOf(10, offset) + 1;
      const line = whole.toString('latin1', offset, lineEnd);
      offset = line.startsWith('read ') ? lineEnd + Number(line.split(' ')[2]) + 1 : lineEnd;
      boundaries.push(offset);
    }
    return boundaries.includes(length);
  }

  test('ends where its bytes make no sense any more', () => {
    const writer = new RecordingWriter(fileOf(), {});
    writer.head(head);
    writer.read(Buffer.from('one'));
    writer.close();
    const sound = readFileSync(fileOf());
    for (const garbage of [
      '\0\0\0\0',
      'read 1 99999999999999\nx',
      'read -1 2\nxx\n',
      'head 0 {"status":\n',
      'end 0 nonsense\n',
      'what is this?\n',
      'read 1 2\nxxx\n',
      'read 1 50\n\nx',
      'end 0 {nonsense}\n',
      'end 0 {"type":"nonsense"}\n',
      // Neither stands for the other, whatever is in it.
      'head 0 {"type":"done"}\n',
      `end 0 ${JSON.stringify(head)}\n`,
    ]) {
      writeFileSync(fileOf(), Buffer.concat([sound, Buffer.from(garbage)]));
      expect({ garbage, ...stateOf(fileOf()), reads: bytesOf(fileOf()) }).toEqual({
        garbage,
        isTorn: true,
        end: null,
        heads: 1,
        reads: ['one'],
      });
    }
  });

  test('never throws and never hangs, whatever is changed in it', () => {
    const writer = new RecordingWriter(fileOf(), { turn_id: 'x' });
    writer.head(head);
    for (let index = 0; index < 5; index += 1) writer.read(Buffer.from(`data: ${index}\n\n`));
    writer.end({ type: 'done' });
    writer.close();
    const whole = readFileSync(fileOf());
    const edit = fc.record({
      at: fc.integer({ min: 17, max: whole.length - 1 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
      remove: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let bytes = whole;
        for (const { at, bytes: inserted, remove } of edits)
          bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + remove)]);
        writeFileSync(fileOf(), bytes);
        const recording = readRecording(fileOf());
        expect([...recording.reads()].reduce((sum, { bytes: read }) => sum + read.length, 0)).toBe(
          recording.byteLength,
        );
      }),
      { seed, numRuns: 300 },
    );
  });
});

describe('a file that is no recording', () => {
  test.each(['', 'cllm-recording 2\n', 'cllm-recording 1', 'data: x\n\n', '\0'.repeat(100)])(
    'is refused: %j',
    (text) => {
      writeFileSync(fileOf(), text);
      expect(() => readRecording(fileOf())).toThrow(
        expect.objectContaining({ code: 'input_invalid', message: expect.stringContaining(fileOf()) }),
      );
    },
  );

  test('has no facts where its first entry is another', () => {
    writeFileSync(fileOf(), 'cllm-recording 1\nread 0 1\nx\n');
    expect(readRecordingMeta(fileOf())).toBeNull();
  });

  test('is refused by what it is: a folder, a pipe', () => {
    execFileSync('mkfifo', [fileOf('pipe')]);
    for (const name of [directory(), fileOf('pipe')]) {
      expect(() => readRecording(name)).toThrow(
        expect.objectContaining({ code: 'input_invalid', message: `${name} is not a regular file` }),
      );
    }
  });

  test('is refused: a directory, or nothing', () => {
    expect(() => readRecording(directory())).toThrow(expect.objectContaining({ code: 'input_invalid' }));
    expect(() => readRecording(fileOf('missing'))).toThrow(
      expect.objectContaining({ code: 'input_invalid', message: expect.stringContaining('ENOENT') }),
    );
  });
});

describe('a new recording', () => {
  const umask = process.umask();
  afterEach(() => void process.umask(umask));

  test.each([0o000, 0o022, 0o777])('is for its owner alone under umask %o', (mask) => {
    process.umask(mask);
    new RecordingWriter(fileOf(), {}).close();
    expect(lstatSync(fileOf()).mode & 0o777).toBe(0o600);
  });

  test('replaces nothing and follows no link', () => {
    writeFileSync(fileOf(), 'precious');
    symlinkSync(fileOf(), fileOf('link'));
    for (const name of ['a.recording', 'link']) {
      expect(() => new RecordingWriter(fileOf(name), {})).toThrow(
        expect.objectContaining({ code: 'usage', message: expect.stringContaining('exists already') }),
      );
    }
    expect(readFileSync(fileOf(), 'utf8')).toBe('precious');
  });

  test('in a directory that is not there is an error that names it', () => {
    expect(() => new RecordingWriter(join(directory(), 'no', 'x'), {})).toThrow(
      expect.objectContaining({ code: 'output_failed', message: expect.stringContaining('ENOENT') }),
    );
    mkdirSync(join(directory(), 'no'));
    new RecordingWriter(join(directory(), 'no', 'x'), {}).close();
    expect(readdirSync(join(directory(), 'no'))).toEqual(['x']);
  });

  test('that can not have its first line leaves no file', async () => {
    const run = await beginRecording([fileOf()], (command) => ['bash', '--norc', '-c', `ulimit -f 0; exec ${command}`]);
    expect((await run.exit).stdout).toBe('output_failed');
    expect(readdirSync(directory())).toEqual([]);
  });

  test('whose facts are too long for one text leaves no file', () => {
    expect(
      () =>
        new RecordingWriter(fileOf(), {
          toJSON: () => {
            throw new RangeError('Invalid string length');
          },
        }),
    ).toThrow(RangeError);
    expect(readdirSync(directory())).toEqual([]);
  });

  test('is begun when it has more than its first line, or is something else', () => {
    new RecordingWriter(fileOf(), {}).close();
    expect(isRecordingBegun(fileOf())).toBe(true);
    const line = 'cllm-recording 1\n';
    for (let length = 0; length <= line.length; length += 1) {
      writeFileSync(fileOf(), line.slice(0, length));
      expect({ length, is: isRecordingBegun(fileOf()) }).toEqual({ length, is: length === line.length });
    }
    for (const other of ['cllm-recording 2', 'x', 'cllm-recording 1x', '\0']) {
      writeFileSync(fileOf(), other);
      expect({ other, is: isRecordingBegun(fileOf()) }).toEqual({ other, is: true });
    }
  });

  test('takes nothing after it was closed', () => {
    const writer = new RecordingWriter(fileOf(), {});
    writer.close();
    writer.close();
    writer.read(Buffer.from('late'));
    expect(readRecording(fileOf()).byteLength).toBe(0);
  });

  test('leaves no descriptor open', () => {
    const before = openSync(directory(), 'r');
    closeSync(before);
    for (let index = 0; index < 5; index += 1) {
      const writer = new RecordingWriter(fileOf(`${index}`), {});
      writer.head(head);
      writer.read(Buffer.from('x'));
      writer.close();
      for (const { bytes } of readRecording(fileOf(`${index}`)).reads()) {
        expect(bytes).toHaveLength(1);
        break;
      }
      readRecordingMeta(fileOf(`${index}`));
    }
    const after = openSync(directory(), 'r');
    closeSync(after);
    expect(after).toBe(before);
  });
});
