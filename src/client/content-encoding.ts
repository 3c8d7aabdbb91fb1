import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CllmError } from '../errors.ts';
import { ResponseBody } from './response-body.ts';

const decoders: Record<string, () => Transform> = {
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
): ResponseBody {
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

function decode(body: ResponseBody, decoder: Transform, failure: (thrown: unknown) => Error): ResponseBody {
  const plain = new ResponseBody({
    pause: () => decoder.pause(),
    resume: () => decoder.resume(),
    abort: () => body.destroy(),
  });
  decoder.on('data', (bytes: Uint8Array) => plain.push(bytes));
  let broken: Error | null = null;
  decoder.on('end', () => plain.finish(broken ?? 'end'));
  decoder.on('error', (thrown) => plain.finish(broken ?? failure(thrown)));
  void feed(body, decoder).catch((thrown: Error) => {
    // What the decoder still works on has arrived, and is handed on first.
    broken = thrown;
    decoder.end();
  });
  return plain;
}

async function feed(body: ResponseBody, decoder: Transform): Promise<void> {
  for (let read = await body.next(); !read.done; read = await body.next()) {
    if (!decoder.write(read.value)) await once(decoder, 'drain');
  }
  decoder.end();
}
