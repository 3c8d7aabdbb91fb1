import type { IncomingHttpHeaders } from 'node:http';
import { ResponseBody } from './response-body.ts';

/** The head of an answer, and its body on the way. */
export interface Answer {
  status: number;
  /** Lower-case names; a repeated header's values are joined by a comma. */
  headers: Record<string, string>;
  body: ResponseBody;
}

/** What undici lets its handler do with the connection. */
interface Connection {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/**
 * One request and its answer, as undici's dispatcher tells of it (Dispatcher.DispatchHandler, undici 7). Its `request()`
 * would put a stream of Node's around the body, which costs each read more than parsing its chunks.
 */
export class Exchange {
  readonly answer: Promise<Answer>;
  readonly #signal: AbortSignal;
  readonly #failure: (thrown: unknown) => Error;
  readonly #body: ResponseBody;
  #resolve!: (answer: Answer) => void;
  #reject!: (reason: unknown) => void;
  #controller: Connection | null = null;

  /** @param failure what an error of the connection is to whoever reads the body */
  constructor(signal: AbortSignal, failure: (thrown: unknown) => Error) {
    this.#signal = signal;
    this.#failure = failure;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#body = new ResponseBody({
      pause: () => this.#controller?.pause(),
      resume: () => this.#controller?.resume(),
      abort: () => this.#controller?.abort(closed()),
    });
    signal.addEventListener('abort', this.#onAbort);
    if (signal.aborted) this.#onAbort();
  }

  onRequestStart(controller: Connection): void {
    this.#controller = controller;
    if (this.#signal.aborted) controller.abort(closed());
  }

  onResponseStart(_controller: Connection, status: number, headers: IncomingHttpHeaders): void {
    // An interim answer (RFC 9110 section 15.2): the real one follows.
    if (status < 200) return;
    const joined: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    this.#resolve({ status, headers: joined, body: this.#body });
  }

  onResponseData(_controller: Connection, bytes: Buffer): void {
    this.#body.push(bytes);
  }

  onResponseEnd(): void {
    this.#finish('end');
  }

  onResponseError(_controller: Connection, error: Error): void {
    this.#reject(error);
    this.#finish(this.#failure(error));
  }

  #finish(how: 'end' | Error): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#body.finish(how);
  }

  /** undici notices an abort only once the request has a connection, which may take for ever: the caller knows at once. */
  readonly #onAbort = (): void => {
    this.#reject(this.#signal.reason);
    this.#controller?.abort(closed());
  };
}

function closed(): Error {
  return Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' });
}
