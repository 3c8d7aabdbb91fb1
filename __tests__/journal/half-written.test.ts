import { afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import * as fs from 'node:fs';
import { join } from 'node:path';
import type * as RecordingModule from '../../src/journal/recording.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

/** A disk that takes a part of what it is given, or nothing: what a recording says was written is there whole. */
const directory = useTemporaryDirectory();
const file = (): string => join(directory(), 'a.recording');

type Write = (descriptor: number, bytes: Buffer, from: number, length: number) => number;
const write: Write = (descriptor, bytes, from, length) => fs.writeSync(descriptor, bytes, from, length);
let onWrite: Write = write;
let onRead: (() => number) | null = null;
let recording: typeof RecordingModule;

const failure = (code: string): Error => Object.assign(new Error(code), { code });

beforeAll(async () => {
  jest.unstable_mockModule('node:fs', () => ({
    ...fs,
    writeSync: ((...args: Parameters<Write>) => onWrite(...args)) as typeof fs.writeSync,
    readSync: ((...args: Parameters<typeof fs.readSync>) =>
      onRead === null ? fs.readSync(...args) : onRead()) as typeof fs.readSync,
  }));
  recording = await import('../../src/journal/recording.ts');
});

afterEach(() => {
  onWrite = write;
  onRead = null;
});

const reads = (): string[] =>
  [...recording.readRecording(file()).reads()].map(({ bytes }) => Buffer.from(bytes).toString());
const head = { status: 200, headers: {}, url: 'http://x/' };

test('a read that the disk takes in parts is whole, each byte once', () => {
  const writer = new recording.RecordingWriter(file(), { turn_id: 'x' });
  onWrite = (descriptor, bytes, from, length) => write(descriptor, bytes, from, Math.min(length, 3));
  writer.head(head);
  writer.read(Buffer.from('one two three'));
  writer.read(Buffer.from('four'));
  writer.end({ type: 'done' });
  writer.close();
  expect(recording.readRecording(file())).toMatchObject({ head, byteLength: 17, end: { type: 'done' }, isTorn: false });
  expect(reads()).toEqual(['one two three', 'four']);
});

test.each([
  ['ENOSPC', 'free some space'],
  ['EIO', 'write to'],
])('one that goes half way (%s) is taken back and said, and what comes then is whole', (code, hint) => {
  const writer = new recording.RecordingWriter(file(), {});
  writer.head(head);
  writer.read(Buffer.from('one'));
  const { size } = fs.statSync(file());
  let writes = 0;
  onWrite = (descriptor, bytes, from, length) => {
    writes += 1;
    if (writes > 1) throw failure(code);
    return write(descriptor, bytes, from, Math.min(length, 9));
  };
  expect(() => writer.read(Buffer.from('lost lost lost'))).toThrow(
    expect.objectContaining({
      code: 'output_failed',
      message: expect.stringContaining(code),
      hint: expect.stringContaining(hint),
    }),
  );
  expect(fs.statSync(file()).size).toBe(size);
  onWrite = write;
  writer.read(Buffer.from('two'));
  writer.end({ type: 'done' });
  writer.close();
  expect(recording.readRecording(file())).toMatchObject({ isTorn: false, end: { type: 'done' } });
  expect(reads()).toEqual(['one', 'two']);
});

test('one whose first line can not be written leaves no file', () => {
  onWrite = () => {
    throw failure('ENOSPC');
  };
  expect(() => new recording.RecordingWriter(file(), {})).toThrow(expect.objectContaining({ code: 'output_failed' }));
  expect(fs.readdirSync(directory())).toEqual([]);
});

test('a disk that fails while it is read is no end of the recording', () => {
  new recording.RecordingWriter(file(), {}).close();
  onRead = () => {
    throw failure('EIO');
  };
  expect(() => recording.readRecording(file())).toThrow(
    expect.objectContaining({ code: 'input_invalid', message: expect.stringContaining('EIO') }),
  );
});
