import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CllmError } from '../../outcome/errors.ts';
import { isSuccess } from '../../protocol/body-kind.ts';
import { ResponseBody } from './response-body.ts';

const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
};

/**
 * The other codings that a body may really have: one of them is refused. What is in no registry (`none`, `UTF-8`, `off`)
 * says nothing about the bytes; servers write it to keep something in front of them from compressing.
 *
 * Source: IANA's HTTP content coding registry.
 */
const unread = new Set([
  'compress',
  'x-compress',
  'zstd',
  'dcb',
  'dcz',
  'exi',
  'pack200-gzip',
  'aes128gcm',
  'aws-chunked',
]);

/**
 * A body as it was before a server, or something in front of it, compressed it unasked: cllm asks for `identity`, since a
 * compressor that does not flush holds deltas back. Decoding pulls, so what a bomb can cost is bounded by whoever counts
 * the bytes (`maxReplyBytes`, the limit on error bodies). Compressed data that ends too early is an error of the body.
 *
 * @param failure what an error of the decoder is to whoever reads
 * @throws CllmError `unexpected_response` for a coding that is not read here, or a chain of them, which is a known attack.
 * Where the status is an error the body is empty instead: what the status says counts more than that its words are lost.
 */
export function decoded(
  body: ResponseBody,
  { status, contentEncoding }: { status: number; contentEncoding: string | undefined },
  failure: (thrown: unknown) => Error,
): ResponseBody {
  const codings = codingsIn(contentEncoding);
  const [coding] = codings;
  if (coding === undefined) return body;
  const create = codings.length === 1 ? decoders[coding] : undefined;
  if (create !== undefined) return decode(body, create(), failure);
  body.destroy();
  if (!isSuccess(status)) return emptyBody();
  throw new CllmError(
    'unexpected_response',
    `the answer is compressed in a way that was not asked for (${codings.join(', ').slice(0, 60)})`,
    { hint: 'turn compression off for this path in the reverse proxy' },
  );
}

/** The codings that a header names and that mean something. */
function codingsIn(contentEncoding: string | undefined): string[] {
  return (contentEncoding ?? '')
    .toLowerCase()
    .split(',')
    .map((token) => token.replaceAll('"', '').trim())
    .filter((token) => Object.hasOwn(decoders, token) || unread.has(token));
}

function emptyBody(): ResponseBody {
  const body = new ResponseBody({ pause: () => {}, resume: () => {}, abort: () => {} });
  body.finish('end');
  return body;
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
