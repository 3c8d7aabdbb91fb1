import { Transport, type TransportOptions } from '../client/http/transport.ts';
import { CllmError, InterruptedError } from '../outcome/errors.ts';

/** What a sign-in needs of the network: one exchange, no redirect, as much as a token takes. */
export interface ProxyFetch {
  send(request: {
    method: 'GET' | 'POST';
    url: string;
    headers?: Record<string, string>;
    body?: string;
  }): Promise<Response>;
  close(): Promise<void>;
}

const longestWaitMs = 15_000;
const longestAnswer = 1024 * 1024;

/** Through the same door as everything else: certificates, HTTP proxies, and no redirect, which would carry a token elsewhere. */
export function proxyFetch(options: TransportOptions, userAgent: string, signal: AbortSignal): ProxyFetch {
  const transport = new Transport(options);
  return {
    async send({ method, url, headers = {}, body }) {
      const patience = AbortSignal.timeout(longestWaitMs);
      const address = new URL(url);
      const line = `${method} ${address.origin}${address.pathname}`;
      try {
        const response = await transport.send({
          method,
          url,
          headers: { 'user-agent': userAgent, accept: 'application/json', ...headers },
          ...(body !== undefined && { body }),
          signal: AbortSignal.any([signal, patience]),
        });
        const pieces: Uint8Array[] = [];
        let length = 0;
        for (let read = await response.body.next(); !read.done; read = await response.body.next()) {
          length += read.value.length;
          if (length > longestAnswer) {
            response.destroy();
            throw new CllmError('unexpected_response', `the answer is too long: ${line}`);
          }
          pieces.push(read.value);
        }
        response.release();
        return new Response(Buffer.concat(pieces), { status: response.status, headers: response.headers });
      } catch (error) {
        if (signal.aborted) throw signal.reason instanceof CllmError ? signal.reason : new InterruptedError();
        if (patience.aborted)
          throw new CllmError('connection_failed', `no answer within ${longestWaitMs / 1000} s: ${line}`);
        throw error;
      }
    },
    close: () => transport.close(),
  };
}
