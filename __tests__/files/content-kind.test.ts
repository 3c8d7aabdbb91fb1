import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { binaryName, contentOf } from '../../src/files/content-kind.ts';
import { seed } from '../support/seed.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const pdf = '%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n';

describe('what bytes are', () => {
  test.each<[string, Buffer, object]>([
    ['a PNG', Buffer.from('89504e470d0a1a0a00', 'hex'), { kind: 'image', type: 'image/png' }],
    ['a WebP image', bytes('RIFF\u0001\u0002\u0003\u0004WEBPVP8 '), { kind: 'image', type: 'image/webp' }],
    ['a PDF', bytes(pdf), { kind: 'pdf' }],
    ['a PDF with something before it', bytes(`junk\n\n${pdf}`), { kind: 'pdf' }],
    ['a PDF with bytes', bytes('%PDF-1.7\n%\u00e2\u00e3\u00cf\u00d3\n\0\u00ff'), { kind: 'pdf' }],
    ['a WAV', bytes('RIFF\u0001\0\0\0WAVEfmt '), { kind: 'audio', format: 'wav' }],
    ['an MP3 with a tag', bytes('ID3\u0003\0\0\0\0\0\u0000'), { kind: 'audio', format: 'mp3' }],
    ['an MP3 without', bytes('\u00ff\u00fb\u0090\u0000\0\0'), { kind: 'audio', format: 'mp3' }],
    ['a HEIC image', bytes('\0\0\0\u0018ftypheic\0\0\0\0'), { kind: 'other', name: 'a HEIC image' }],
    [
      'a document of an office',
      bytes('PK\u0003\u0004\u0014\0\u0006\0'),
      { kind: 'other', name: expect.stringContaining('.docx') },
    ],
    ['a film', bytes('\0\0\0\u0018ftypisom\0\0\0\0'), { kind: 'other', name: 'a video' }],
    ['a compressed file', bytes('\u001f\u008b\u0008\0'), { kind: 'other', name: 'compressed' }],
    ['text', bytes('hello'), { kind: 'text', text: 'hello' }],
    ['text with a mark', Buffer.from('\uFEFFhello'), { kind: 'text', text: 'hello' }],
    ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16('hello')]), { kind: 'text', text: 'hello' }],
    ['UTF-16 without one', utf16('hello, world'), { kind: 'text', text: 'hello, world' }],
    ['nothing', Buffer.alloc(0), { kind: 'text', text: '' }],
    ['text about PDFs', bytes('A PDF begins with %PDF-1.4 and ends with %%EOF'), { kind: 'text' }],
    [
      'text that begins with letters of a mark',
      bytes('BM stands for benchmark, OggS for a container'),
      { kind: 'text' },
    ],
    ['text of RIFF', bytes('RIFF and WAVE are words'), { kind: 'text' }],
    ['SVG', bytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), { kind: 'text' }],
    ['bytes of nothing known', bytes('\u0080\u0081\0'), { problem: expect.any(String) }],
  ])('%s', (_name, given, content) => {
    expect(contentOf(given)).toMatchObject(content);
  });

  test('text is what it was, whatever it begins with', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const given = Buffer.from(text.replaceAll('\0', ''), 'utf8');
        const content = contentOf(given);
        // A mark of the order of bytes is no character of it.
        expect(content).toEqual({ kind: 'text', text: text.replaceAll('\0', '').replace(/^\uFEFF/, '') });
        expect(binaryName(given)).toBeNull();
      }),
      { seed, numRuns: 500 },
    );
  });

  test('any bytes are something, and never a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
        expect(contentOf(Buffer.from(given))).toBeDefined();
        binaryName(Buffer.from(given));
      }),
      { seed, numRuns: 500 },
    );
  });
});
