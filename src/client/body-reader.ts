import type { Readable } from 'node:stream';

/** What a connection may still send after the reply is over, so that it can be used again: the end of the body, as a rule. */
const longestRest = 65_536;
const longestRestWait = 100;

/**
 * Pulls the bytes of a body, all that have arrived at each read. Unlike the stream's own async iterator it costs one
 * promise a read, none of them an async function's, and leaving off early does not have to destroy the connection.
 */
export class BodyReader implements AsyncIterator<Uint8Array> {
  readonly #stream: Readable;
  readonly #failure: (thrown: unknown) => Error;
  #waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: Error) => void } | null = null;
  #ended: 'no' | 'end' | Error = 'no';

  /** @param failure what to throw for an error of the stream */
  constructor(stream: Readable, failure: (thrown: unknown) => Error) {
    this.#stream = stream;
    this.#failure = failure;
    stream.on('readable', this.#wake);
    stream.on('end', () => this.#finish('end'));
    stream.on('error', (error) => this.#finish(this.#failure(error)));
    const closed = () => this.#finish(this.#failure(Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' })));
    stream.on('close', closed);
    if (stream.destroyed) closed();
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const bytes = this.#ended === 'no' ? (this.#stream.read() as Uint8Array | null) : null;
    if (bytes !== null) return Promise.resolve({ value: bytes, done: false });
    if (this.#ended === 'end') return Promise.resolve({ value: undefined, done: true });
    if (this.#ended !== 'no') return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /** Lets the connection be used again if the body ends soon; closes it otherwise. The reader is over either way. */
  release(): void {
    const stream = this.#stream;
    this.#ended = 'end';
    if (stream.destroyed || stream.readableEnded) return;
    let rest = 0;
    const timer = setTimeout(() => stream.destroy(), longestRestWait);
    // Nobody waits for this: a program that is done ends.
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    stream.off('readable', this.#wake);
    stream.on('data', (bytes: Uint8Array) => {
      rest += bytes.length;
      if (rest > longestRest) stream.destroy();
    });
    stream.resume();
  }

  readonly #wake = (): void => {
    if (this.#waiting === null) return;
    const bytes = this.#stream.read() as Uint8Array | null;
    if (bytes === null) return;
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve({ value: bytes, done: false });
  };

  #finish(how: 'end' | Error): void {
    if (this.#ended !== 'no') return;
    this.#ended = how;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (how === 'end') waiting?.resolve({ value: undefined, done: true });
    else waiting?.reject(how);
  }
}
