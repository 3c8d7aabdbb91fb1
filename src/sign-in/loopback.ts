import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { timingSafeEqual } from 'node:crypto';
import { CllmError, InterruptedError } from '../outcome/errors.ts';

/** Where the browser comes back to: this machine alone, a port that was free, for one sign-in. */
export interface Loopback {
  redirectUri: string;
  /** What the browser brought; only what carries `state` ends the waiting. */
  answer(state: string): Promise<URLSearchParams>;
  close(): void;
}

/** As long as LiteLLM's own program waits. */
const patienceMs = 300_000;

export async function listenForBrowser(signal: AbortSignal): Promise<Loopback> {
  let expected: string | null = null;
  let settle: (answer: URLSearchParams) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const answered = new Promise<URLSearchParams>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  answered.catch(() => {});
  const server = createServer((request, response) => {
    const say = (status: number, text: string): void => {
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        connection: 'close',
      });
      response.end(text);
    };
    // Whoever tries the port may ask for what is no address: `//`.
    const asked = `http://127.0.0.1${request.url ?? ''}`;
    const url = URL.canParse(asked) ? new URL(asked) : null;
    if (request.method !== 'GET' || url?.pathname !== '/callback') return say(404, 'Not found.');
    // A stray request, an old tab, or somebody who tries the port.
    if (expected === null || !isSame(url.searchParams.get('state') ?? '', expected))
      return say(400, 'This does not belong to the sign-in that is waited for.');
    if (!url.searchParams.has('code') && !url.searchParams.has('error')) return say(400, 'Nothing came with it.');
    say(
      200,
      url.searchParams.has('error')
        ? 'Not signed in. You can close this window.'
        : 'You can close this window: the terminal says whether you are signed in.',
    );
    settle(url.searchParams);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const timer = setTimeout(
    () =>
      fail(
        new CllmError('total_timeout', `nobody signed in within ${patienceMs / 60_000} minutes`, {
          hint: 'run cllm login again',
        }),
      ),
    patienceMs,
  );
  const onAbort = (): void => fail(signal.reason instanceof CllmError ? signal.reason : new InterruptedError());
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  return {
    redirectUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    answer(state) {
      expected = state;
      return answered;
    },
    close() {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      server.close();
      server.closeAllConnections();
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
