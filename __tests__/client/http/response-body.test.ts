import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ResponseBody } from '../../../src/client/http/response-body.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (read: Uint8Array | null): string | null => read && Buffer.from(read).toString();

let calls: string[] = [];
let body: ResponseBody;

/** Closing ends the body, as it does with undici. */
function bodyOf(onAbort: () => void): ResponseBody {
  const own = new ResponseBody({
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
    abort: () => {
      onAbort();
      own.finish(new Error('closed'));
    },
  });
  return own;
}

beforeEach(() => {
  calls = [];
  body = bodyOf(() => calls.push('abort'));
});

afterEach(() => body.finish('end'));

describe('reading', () => {
  test('gives all that has arrived, once', () => {
    body.push(bytes('a'));
    body.push(bytes('b'));
    expect(textOf(body.read())).toBe('ab');
    expect(body.read()).toBeNull();
  });

  test('waits for the next bytes, and for the end', async () => {
    const waiting = body.more();
    body.push(bytes('a'));
    expect(await waiting).toBe(true);
    expect(textOf(body.read())).toBe('a');
    const atEnd = body.more();
    body.finish('end');
    expect([await atEnd, await body.more()]).toEqual([false, false]);
  });

  test('gives what arrived before the connection broke, and then throws', async () => {
    body.push(bytes('a'));
    body.finish(new Error('reset'));
    expect(await body.next()).toEqual({ value: bytes('a'), done: false });
    await expect(body.next()).rejects.toThrow('reset');
  });

  test('is told of a break while it waits', async () => {
    const waiting = body.more();
    body.finish(new Error('reset'));
    await expect(waiting).rejects.toThrow('reset');
  });

  test('pauses a connection that is far ahead, until its bytes are taken', () => {
    body.push(new Uint8Array(65_535));
    expect(calls).toEqual([]);
    body.push(new Uint8Array(1));
    body.push(new Uint8Array(1));
    expect(calls).toEqual(['pause']);
    expect(body.read()?.length).toBe(65_537);
    expect(calls).toEqual(['pause', 'resume']);
  });
});

describe('who waits', () => {
  test('gets a delta on the spot, and what comes with it in one piece afterwards', async () => {
    const taken: (string | null)[] = [];
    const waiting = body.more((piece) => taken.push(textOf(piece)));
    for (const piece of ['a', 'b', 'c']) body.push(bytes(piece));
    expect(taken).toEqual(['a']);
    expect(await waiting).toBe(true);
    expect(textOf(body.read())).toBe('bc');
  });

  test('gets a large piece together with what follows it', async () => {
    const taken: unknown[] = [];
    const waiting = body.more((piece) => taken.push(piece));
    for (const size of [5_000, 10]) body.push(new Uint8Array(size));
    expect(await waiting).toBe(true);
    expect(taken).toEqual([]);
    expect(body.read()?.length).toBe(5_010);
  });

  test('hears what it throws on the spot itself, not who pushes', async () => {
    const waiting = body.more(() => {
      throw new Error('full');
    });
    body.push(bytes('a'));
    await expect(waiting).rejects.toThrow('full');
  });
});

describe('a body that nobody reads any more', () => {
  test('lets a short rest come, so that the connection can be used again', () => {
    body.release();
    body.push(bytes('rest'));
    body.finish('end');
    body.destroy();
    expect(calls).toEqual([]);
  });

  test('resumes a connection that was paused for the reader', () => {
    body.push(new Uint8Array(65_536));
    body.release();
    expect(calls).toEqual(['pause', 'resume']);
  });

  test('closes the connection when the rest is long', () => {
    body.release();
    body.push(new Uint8Array(65_537));
    expect(calls).toEqual(['abort']);
  });

  test('closes the connection when the rest does not come', async () => {
    const closed = new Promise<string>((resolve) => (body = bodyOf(() => resolve('closed'))));
    body.release();
    expect(await closed).toBe('closed');
  });

  test('is closed once', () => {
    body.destroy();
    body.destroy();
    expect(calls).toEqual(['abort']);
  });
});
