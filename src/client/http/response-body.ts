/** What may wait unread before the socket is paused. */
const longestQueue = 65_536;
/** What a connection may still send after the reply is over, so that it can be used again: the end of the body, as a rule. */
const longestRest = 65_536;
const longestRestWait = 100;
/** What is taken at once by who waits: a delta or a few. */
const mostAtOnce = 4096;

/** The connection that a body comes from. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** Closes the connection; `finish` is called with the error that this is to a reader. */
  abort(): void;
}

interface Waiting {
  take: ((bytes: Uint8Array) => void) | null;
  resolve: (hasMore: boolean) => void;
  reject: (reason: unknown) => void;
}

/**
 * The bytes of an answer. undici pushes them, and a reader pulls them: each read takes all that have arrived. This is no
 * stream of Node's, and it makes no promise for bytes that are there, because every delta would wait for either.
 */
export class ResponseBody implements AsyncIterator<Uint8Array> {
  readonly #source: BodySource;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #isPaused = false;
  #ended: 'no' | 'end' | Error = 'no';
  #waiting: Waiting | null = null;
  /** Set once nobody reads any more: how much the rest of the body may be, and until when. */
  #rest: { bytes: number; timer: NodeJS.Timeout } | null = null;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** The next bytes of the connection. The connection waits when nobody takes them. */
  push(bytes: Uint8Array): void {
    if (this.#rest !== null) {
      this.#rest.bytes += bytes.length;
      if (this.#rest.bytes > longestRest) this.destroy();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null && waiting.take !== null && bytes.length <= mostAtOnce) {
      handOver(bytes, waiting.take, waiting);
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#queued >= longestQueue && !this.#isPaused) {
      this.#isPaused = true;
      this.#source.pause();
    }
    waiting?.resolve(true);
  }

  /** The body is whole, or it broke: what arrived before is handed on first. */
  finish(how: 'end' | Error): void {
    if (this.#ended !== 'no') return;
    this.#ended = how;
    clearTimeout(this.#rest?.timer);
    if (how === 'end') this.#waiting?.resolve(false);
    else this.#waiting?.reject(how);
    this.#waiting = null;
  }

  /** All bytes that have arrived and were not read yet; null when there are none. */
  read(): Uint8Array | null {
    return this.#queued === 0 ? null : this.#take();
  }

  /**
   * Waits for bytes to read.
   *
   * A delta that ends the wait goes to `take` on the spot: it is on the screen before undici is through with what the
   * socket gave. Whatever else that was is there once the promise resolves, however many pieces it came in.
   *
   * @returns false at the end of the body
   * @throws what broke the body, and what `take` throws
   */
  more(take: Waiting['take'] = null): Promise<boolean> {
    if (this.#queued > 0) return Promise.resolve(true);
    if (this.#ended === 'end') return Promise.resolve(false);
    if (this.#ended !== 'no') return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => (this.#waiting = { take, resolve, reject }));
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    return (await this.more()) ? { value: this.#take(), done: false } : { value: undefined, done: true };
  }

  /** Done with it: the connection is used again if the rest of the body comes at once, and closed otherwise. */
  release(): void {
    if (this.#ended !== 'no' || this.#rest !== null) return;
    const timer = setTimeout(() => this.destroy(), longestRestWait);
    // Nobody waits for this: a program that is done ends.
    timer.unref();
    this.#rest = { bytes: this.#queued, timer };
    this.#take();
  }

  /** Closes the connection, which breaks the body; harmless when that is over. */
  destroy(): void {
    if (this.#ended === 'no') this.#source.abort();
  }

  #take(): Uint8Array {
    const queue = this.#queue;
    this.#queue = [];
    this.#queued = 0;
    const [first] = queue;
    const bytes = queue.length === 1 && first !== undefined ? first : Buffer.concat(queue);
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#source.resume();
    }
    return bytes;
  }
}

function handOver(bytes: Uint8Array, take: (bytes: Uint8Array) => void, { resolve, reject }: Waiting): void {
  try {
    take(bytes);
    resolve(true);
  } catch (thrown) {
    reject(thrown);
  }
}
