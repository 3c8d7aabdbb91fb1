import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CllmError } from '../errors.ts';

/**
 * The bytes of a body as they were before a server, or something in front of it, compressed them unasked: cllm asks for
 * `identity`, since a compressor that does not flush holds deltas back. Decoding pulls, so what a bomb can cost is
 * bounded by whoever counts the bytes (`maxReplyBytes`, the limit on error bodies).
 *
 * @throws (while iterating) what `failure` makes of a broken connection or of compressed data that ends too early.
 */
export function decodedBody(
  body: Readable,
  contentEncoding: string | undefined,
  failure: (thrown: unknown) => CllmError,
): AsyncIterable<Uint8Array> {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  return { [Symbol.asyncIterator]: () => bytesOf(body, encoding, failure) };
}

async function* bytesOf(
  body: Readable,
  encoding: string,
  failure: (thrown: unknown) => CllmError,
): AsyncGenerator<Uint8Array> {
  const source = encoding === '' || encoding === 'identity' ? body : decoderOf(encoding, body, failure);
  try {
    for await (const bytes of source) yield bytes as Uint8Array;
  } catch (thrown) {
    throw thrown instanceof CllmError ? thrown : failure(thrown);
  } finally {
    body.destroy();
  }
}

const decoders: Record<string, () => ReturnType<typeof createGunzip>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
};

function decoderOf(encoding: string, body: Readable, failure: (thrown: unknown) => CllmError): Readable {
  const create = decoders[encoding];
  if (create === undefined) {
    // A chain of codings is a known attack, and zstd is not in every Node; neither was asked for.
    body.destroy();
    throw new CllmError(
      'unexpected_response',
      `the answer is compressed in a way that was not asked for (${encoding.slice(0, 60)})`,
      {
        hint: 'Turn compression off for this path in the reverse proxy.',
      },
    );
  }
  const decoder = create();
  body.on('error', (error) => decoder.destroy(failure(error)));
  decoder.on('close', () => body.destroy());
  return body.pipe(decoder);
}
