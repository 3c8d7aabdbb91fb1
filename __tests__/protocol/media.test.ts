import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodedMedia, mediaOf, mediaTitle } from '../../src/protocol/media.ts';
import { seed } from '../support/seed.ts';

const png = Buffer.from('89504e470d0a1a0a0000000d', 'hex');
const base64 = png.toString('base64');

function only(message: Record<string, unknown>) {
  return mediaOf({ role: 'assistant', content: null, ...message });
}

describe('an image, however it is sent', () => {
  test.each([
    { image: { type: 'image_url', image_url: { url: `data:image/png;base64,${base64}` } } },
    { image: { image_url: `data:image/png;base64,${base64}` } },
    { image: { url: `data:image/png;charset=x;base64,${base64}` } },
    { image: { b64_json: base64 } },
    { image: { type: 'image', data: base64, mime_type: 'image/png' } },
    { image: { type: 'image_generation_call', result: base64 } },
    { image: `data:image/png;base64,${base64}` },
    { image: base64 },
    { image: { url: `DATA:image/png;BASE64,${base64}` } },
    { image: { b64_json: base64.replace(/(.{4})/g, '$1\n') } },
    { image: { b64_json: base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') } },
    { image: { url: `data:image/png,${[...png].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}` } },
  ])('$image', ({ image }) => {
    const [media] = only({ images: [image] });
    if (media === undefined) throw new Error('no image');
    expect(decodedMedia(media)).toEqual(png);
    expect(media).toMatchObject({ kind: 'image', mediaType: 'image/png', url: null });
    expect(mediaTitle(media)).toBe('image/png, 12 bytes');
  });

  test('that is elsewhere is named, and has no bytes', () => {
    const [media] = only({ images: [{ image_url: { url: 'https://cdn.test/cat.png' } }] });
    expect(media && { title: mediaTitle(media), bytes: decodedMedia(media) }).toEqual({
      title: 'image of an unknown type, elsewhere: https://cdn.test/cat.png',
      bytes: null,
    });
  });

  test.each(['!!!!', 'data:image/png;base64,a', 'data:image/png;base64,%%%'])('%j is damaged', (url) => {
    const [media] = only({ images: [{ image_url: { url } }] });
    expect(media && { bytes: media.bytes, decoded: decodedMedia(media) }).toEqual({ bytes: null, decoded: null });
  });

  test.each([[{}], [null], [{ image_url: {} }], [{ url: '' }], ['data:image/png;base64,'], [5], [{ b64_json: ' ' }]])(
    '%j is none',
    (image) => {
      expect(only({ images: [image] })).toEqual([]);
    },
  );
});

test.each([
  ['RIFF\0\0\0\0WAVEfmt ', 'audio/wav'],
  ['ID3\u0003', 'audio/mpeg'],
  ['OggS\0', 'audio/ogg'],
  ['fLaC\0', 'audio/flac'],
  ['\0\u0001\0\u0002', null],
])('audio that begins with %j is %j', (first, mediaType) => {
  const data = Buffer.from(first, 'latin1').toString('base64');
  expect(only({ audio: { id: 'a', data, transcript: 'Hello' } })).toMatchObject([{ kind: 'audio', mediaType }]);
  expect(only({ audio: { transcript: 'Hello' } })).toEqual([]);
});

test('the size that is told is the size that is written', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), (bytes, isForUrls) => {
      const data = Buffer.from(bytes).toString(isForUrls ? 'base64url' : 'base64');
      const [media] = only({ images: [{ b64_json: data }] });
      expect(media?.bytes).toBe(bytes.length);
      expect(media && decodedMedia(media)).toEqual(Buffer.from(bytes));
    }),
    { seed, numRuns: 200 },
  );
});

test('whatever is in their place, nothing is thrown', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (images, audio) => {
      for (const media of [...only({ images }), ...only({ images: [images] }), ...only({ audio })]) {
        expect(typeof mediaTitle(media)).toBe('string');
        decodedMedia(media);
      }
    }),
    { seed, numRuns: 300 },
  );
});
