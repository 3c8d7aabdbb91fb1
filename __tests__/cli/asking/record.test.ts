import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { RecordTap } from '../../../src/cli/asking/record.ts';
import { readRecording } from '../../../src/journal/recording.ts';

const key = 'sk-ab/sk-ab/sk-abc"d';
const stars = '*'.repeat(key.length);
let directory: string;
let file: string;
let time: number;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'cllm-test-'));
  file = path.join(directory, 'recording');
  time = 0;
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Records the reads, the first at 10 ms, each 10 ms after the one before. */
function recorded(reads: readonly (string | Uint8Array)[], secrets = [key]): { atMs: number; text: string }[] {
  rmSync(file, { force: true });
  time = 0;
  const tap = new RecordTap(file, { secrets, version: '0', model: 'm', now: () => time });
  tap.head({ status: 200, headers: {}, url: 'http://127.0.0.1/' });
  for (const read of reads) {
    time += 10;
    const bytes = Buffer.from(read);
    const before = Buffer.from(bytes);
    tap.read(bytes);
    // They are the reply's, whose reader comes after the recording and may then use their memory again.
    expect(bytes).toEqual(before);
    bytes.fill(0);
  }
  time += 10;
  tap.end({ type: 'done' });
  expect(tap.close()).toBeNull();
  const recording = readRecording(file);
  expect(recording).toMatchObject({
    meta: { cllm: '0', model: 'm' },
    end: { type: 'done' },
    endedAtMs: time,
    isTorn: false,
  });
  return [...recording.reads()].map(({ atMs, bytes }) => ({ atMs, text: Buffer.from(bytes).toString('latin1') }));
}

const whole = (reads: readonly { text: string }[]): string => reads.map(({ text }) => text).join('');

test.each([
  ['as it is', key, stars],
  ['as JSON has it', key.replace('"', String.raw`\"`), `${stars}*`],
  [
    'as JSON with its slashes escaped has it',
    key.replace('"', String.raw`\"`).replaceAll('/', String.raw`\/`),
    `${stars}***`,
  ],
])('the key %s, cut at every offset, is not in a recording', (_name, echoed, masked) => {
  const text = `data: {"a":"${echoed}"}\n\ndata: sk-ab ${echoed}`;
  const expected = text.replaceAll(echoed, masked);
  for (let cut = 0; cut <= text.length; cut += 1) {
    for (const second of [cut, cut + 1, cut + 5, text.length]) {
      const reads = recorded([text.slice(0, cut), text.slice(cut, second), text.slice(second)]);
      expect(whole(reads)).toBe(expected);
      expect(readFileSync(file, 'latin1')).not.toContain(echoed);
    }
  }
  expect(whole(recorded(text.split('')))).toBe(expected);
});

test.each([
  ['begins with the other', 'sk-abcdefgh', 'sk-abcdefgh-SECRETTAIL', 'sk-abcdefgh-SECRETTAIL'],
  ['begins with the end of the other', 'sk-abcdefgh', 'efgh-SECRETTAIL', 'sk-abcdefgh-SECRETTAIL'],
  ['repeats itself', 'abcabcabc', 'abcabcabcabcabc', 'abcabcabcabcabcabc'],
])(
  'of two secrets of which one %s nothing is in a recording, in either order and cut anywhere',
  (_name, one, other, echoed) => {
    const text = `a ${echoed} b ${one} c`;
    const expected = `a ${'*'.repeat(echoed.length)} b ${'*'.repeat(one.length)} c`;
    for (const secrets of [
      [one, other],
      [other, one],
    ]) {
      for (let cut = 0; cut <= text.length; cut += 1) {
        for (const second of [cut, cut + 1, cut + 4, text.length]) {
          const reads = [text.slice(0, cut), text.slice(cut, second), text.slice(second)];
          expect(whole(recorded(reads, secrets))).toBe(expected);
        }
      }
      expect(whole(recorded([echoed], secrets))).toBe('*'.repeat(echoed.length));
      expect(whole(recorded([`${one} and`], secrets))).toBe(`${'*'.repeat(one.length)} and`);
      expect(whole(recorded([one], secrets))).toBe('*'.repeat(one.length));
    }
  },
);

test('what turns out to be no key is there byte for byte, each with the time at which it came', () => {
  expect(recorded(['one sk-ab', '/sk', ' two', 'three', 's'])).toEqual([
    { atMs: 10, text: 'one ' },
    { atMs: 10, text: 'sk-ab' },
    { atMs: 20, text: '/sk' },
    { atMs: 30, text: ' two' },
    { atMs: 40, text: 'three' },
    { atMs: 50, text: 's' },
  ]);
});

test('a key that is cut in two is masked where each of its parts came', () => {
  expect(recorded([`one ${key.slice(0, 7)}`, `${key.slice(7)} two`])).toEqual([
    { atMs: 10, text: 'one ' },
    { atMs: 10, text: '*******' },
    { atMs: 20, text: `${stars.slice(7)} two` },
  ]);
});

test('bytes that are no text stay as they are', () => {
  const bytes = Uint8Array.from({ length: 512 }, (_, at) => (at * 7) % 256);
  expect(whole(recorded([bytes.subarray(0, 100), bytes.subarray(100)]))).toBe(Buffer.from(bytes).toString('latin1'));
});

test('what was held back of a reply that is tried again belongs to the first try', () => {
  const tap = new RecordTap(file, { secrets: [key], version: '0', model: 'm', now: () => time });
  tap.head({ status: 500, headers: {}, url: 'http://127.0.0.1/' });
  tap.read(Buffer.from(key.slice(0, 9)));
  tap.head({ status: 200, headers: {}, url: 'http://127.0.0.1/' });
  tap.read(Buffer.from(key.slice(9)));
  tap.close();
  expect([...readRecording(file).reads()].map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([key.slice(9)]);
  expect(readFileSync(file, 'latin1')).toContain(key.slice(0, 9));
});

test('short placeholders for a key are left alone, and every other secret is taken out', () => {
  expect(whole(recorded(['sk-1 and secret-two', '2'], ['sk-1', 'secret-two2']))).toBe('sk-1 and ***********');
});

test('the end of the stream, which repeats an error frame, does not hold the key either', () => {
  const tap = new RecordTap(file, { secrets: [key], version: '0', model: 'm', now: () => time });
  tap.end({ type: 'error', error: { message: `got ${key}`, type: null, code: null, param: null } });
  tap.close();
  expect(readRecording(file).end).toMatchObject({ error: { message: `got ${stars}*` } });
});
