import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeText, utf8Bytes } from '../../src/files/text-encoding.ts';
import { seed } from '../support/seed.ts';

const little = (text: string): Buffer => Buffer.from(text, 'utf16le');
const big = (text: string): Buffer => little(text).swap16();
const latin = 'Häß, ein Text mit genug Buchstaben\r\n';

describe('a text is decoded', () => {
  test.each<[string, Buffer, string]>([
    ['UTF-8', Buffer.from('schön 日本 😀'), 'schön 日本 😀'],
    ['UTF-8 with its mark', Buffer.from('\uFEFFhi'), 'hi'],
    ['one mark, and no second', Buffer.from('\uFEFF\uFEFFhi'), '\uFEFFhi'],
    ['UTF-16 as PowerShell writes it', little('\uFEFFschön 日本 😀'), 'schön 日本 😀'],
    ['UTF-16, the other way round', big('\uFEFFschön 日本 😀'), 'schön 日本 😀'],
    ['UTF-16 without its mark', little(latin), latin],
    ['the other way round, without its mark', big(latin), latin],
    ['line ends as they are', Buffer.from('a\r\nb\rc\n'), 'a\r\nb\rc\n'],
    ['nothing', Buffer.alloc(0), ''],
  ])('%s', (_name, bytes, text) => {
    expect(decodeText(bytes)).toEqual({ text, problem: null });
  });

  test('whatever it says, in UTF-8 and in UTF-16 with a mark', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.includes('\0') && !text.startsWith('\uFEFF'));
        expect(decodeText(Buffer.from(text)).text).toBe(text);
        expect(decodeText(little(`\uFEFF${text}`)).text).toBe(text);
        expect(decodeText(big(`\uFEFF${text}`)).text).toBe(text);
      }),
      { seed },
    );
  });
});

describe('what is no text is refused, with what to do', () => {
  test.each<[string, Buffer, string, string]>([
    ['Latin-1', Buffer.from('schön', 'latin1'), 'is no UTF-8 text at offset 3', 'iconv -f latin1'],
    ['a NUL byte', Buffer.from('a\0b c'), 'has a NUL byte at offset 1', 'tr -d'],
    ['a binary file', Buffer.from([0, 0, 1, 0, 0, 7, 0, 0]), 'has a NUL byte at offset 0', 'tr -d'],
    [
      'UTF-16 with half a character',
      Buffer.concat([little('\uFEFFhi'), Buffer.from([0x3d])]),
      'damaged UTF-16',
      'iconv',
    ],
    ['UTF-16 with a lone surrogate', little('\uFEFFhi \ud83d'), 'damaged UTF-16', 'iconv'],
    ['UTF-32', Buffer.from('fffe000068000000', 'hex'), 'UTF-32', 'iconv -f utf-32'],
  ])('%s', (_name, bytes, problem, hint) => {
    expect(decodeText(bytes)).toEqual({
      text: null,
      problem: expect.stringContaining(problem),
      hint: expect.stringContaining(hint),
    });
  });
});

describe('in pieces, cut anywhere', () => {
  const inPieces = async (bytes: Buffer, size: number): Promise<string> => {
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const all: Uint8Array[] = [];
    for await (const piece of utf8Bytes(pieces())) all.push(piece);
    return Buffer.concat(all).toString('latin1');
  };
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

  test.each([1, 2, 3, 5, 1000])('of %d bytes', async (size) => {
    const text = 'eins\nzwei 😀\nдва\n';
    expect(await inPieces(little(`\uFEFF${text}`), size)).toBe(latin1(text));
    expect(await inPieces(big(`\uFEFF${text}`), size)).toBe(latin1(text));
    expect(await inPieces(Buffer.from(`\uFEFF${text}`), size)).toBe(latin1(`\uFEFF${text}`));
    expect(await inPieces(Buffer.from('x'), size)).toBe('x');
    expect(await inPieces(Buffer.from([0xe9, 0x0a]), size)).toBe('\u00e9\n');
  });

  test('half a character is no text of its line, and of no other', async () => {
    expect(await inPieces(little('\uFEFFa\ud83d\nb\n'), 3)).toBe('a\u00ff\nb\n');
  });
});
