import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CllmError } from '../errors.ts';
import type { ResponseBody } from './response-body.ts';

const decoders: Record<string, () => ReturnType<typeof createGunzip>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
};

/**
 * A body as it was before a server, or something in front of it, compressed it unasked: cllm asks for `identity`, since a
 * compressor that does not flush holds deltas back. Decoding pulls, so what a bomb can cost is bounded by whoever counts
 * the bytes (`maxReplyBytes`, the limit on error bodies). Compressed data that ends too early is an error of the body.
 *
 * @param failure what an error of the decoder is to whoever reads
 * @throws CllmError `unexpected_response` for a coding that is not known here, or a chain of them, which is a known attack
 */
export function decoded(
  body: ResponseBody,
  contentEncoding: string | undefined,
  failure: (thrown: unknown) => Error,
): AsyncIterator<Uint8Array> {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return body;
  const create = decoders[encoding];
  if (create === undefined) {
    body.destroy();
    throw new CllmError(
      'unexpected_response',
      `the answer is compressed in a way that was not asked for (${encoding.slice(0, 60)})`,
      { hint: 'Turn compression off for this path in the reverse proxy.' },
    );
  }
  return decode(body, create(), failure);
}

async function* decode(
  body: ResponseBody,
  decoder: ReturnType<typeof createGunzip>,
  failure: (thrown: unknown) => Error,
): AsyncGenerator<Uint8Array, void, undefined> {
  const compressed = Readable.from({ [Symbol.asyncIterator]: () => body });
  try {
    // The iteration of the decoder throws whatever goes wrong on the way.
    yield* pipeline(compressed, decoder, () => {});
  } catch (thrown) {
    throw thrown instanceof CllmError ? thrown : failure(thrown);
  }
}
