import { createRequire } from 'node:module';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { Agent, type buildConnector } from 'undici';
import { CllmError, DeadlineError, UsageError } from '../../outcome/errors.ts';
import { ConnectFailure, openConnection, proxyAuthorization } from './connect.ts';
import { decoded } from './content-encoding.ts';
import { type Answer, Exchange } from './request-handler.ts';
import { proxyFor, type ProxySettings } from './http-proxy.ts';
import { longestTimer } from '../reply/deadlines.ts';
import { networkError, plainToTls, type RequestLine } from './network-error.ts';
import type { ResponseBody } from './response-body.ts';
import { type RunningRequest, SocketReferences } from './socket-references.ts';

export interface TransportOptions {
  /** Seconds for the name, the TCP connection, a proxy's tunnel and TLS together; 0 = no limit. */
  connectTimeout: number;
  /** PEM certificates of authorities to trust beside the built-in ones. */
  ca?: string[];
  /** PEM client certificate and its key. */
  cert?: string;
  certKey?: string;
  httpProxy?: ProxySettings;
}

export interface TransportRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}

export interface HttpResponse {
  status: number;
  /** Lower-case names; a repeated header's values are joined by a comma. */
  headers: Record<string, string>;
  /** Decoded if the server compressed unasked. Reading throws `connection_failed` when the connection breaks. */
  body: Pick<ResponseBody, 'read' | 'more' | 'next'>;
  /** Done with the body: the connection is kept if the rest of it comes at once, and closed otherwise. */
  release(): void;
  /** Closes the connection at once; harmless when it is over. */
  destroy(): void;
  /** The consumer has what came and may never ask for more: until it goes on, this does not keep a program alive. */
  hold(): void;
  goOn(): void;
}

/**
 * HTTP/1.1 requests over kept connections: bytes in, bytes out, and failures of the network as CllmErrors. Statuses mean
 * nothing here, and no redirect is ever followed: it would carry the prompt, and perhaps the key, to a place that nobody
 * named.
 *
 * undici's own limits on headers and bodies are off, for they can not tell a slow model from a dead one, nor a paused
 * reader from a stalled server; deadlines.ts does. Pipelining stays at 1 and HTTP/2 off: one long stream must not hold
 * up another.
 */
export class Transport {
  readonly #agent: Agent;
  readonly #options: TransportOptions;
  readonly #secureContext: SecureContext | undefined;
  /** Abandons each connection that is being opened. */
  readonly #connecting = new Set<() => void>();
  /** Requests without an answer yet: when the last is aborted, nobody needs the connections that are being opened. */
  #waiting = 0;
  readonly #tlsPorts = new Map<string, Promise<boolean>>();
  #isClosed = false;
  readonly #references = new SocketReferences();

  /** @throws UsageError `config_invalid` when a certificate can not be read. */
  constructor(options: TransportOptions) {
    this.#options = options;
    this.#secureContext = secureContextOf(options);
    this.#agent = new Agent({
      connect: (target, callback) => this.#connect(target, callback),
      allowH2: false,
      pipelining: 1,
      bodyTimeout: 0,
      headersTimeout: 0,
      // LiteLLM repeats every header of the provider as `llm_provider-…`; some send long policies.
      maxHeaderSize: 65_536,
    });
  }

  /**
   * Sends a request and waits for the head of the answer, whatever its status.
   *
   * @throws CllmError when the network failed, DeadlineError `connect` when the connection took too long, and the
   * signal's own reason when that was aborted.
   */
  async send(options: TransportRequest): Promise<HttpResponse> {
    if (this.#isClosed) throw new UsageError('the client was closed', { hint: 'make a new LiteLLMClient' });
    const url = new URL(options.url);
    const line = { method: options.method, url: url.origin + url.pathname };
    const proxy = proxyFor(url, this.#options.httpProxy ?? {});
    // RFC 9112 section 3.2.2: plain http goes to a proxy as it is, with the whole URL in the request line.
    const isForwarded = proxy !== null && url.protocol === 'http:';
    const path = url.pathname + url.search;
    const failure = (thrown: unknown): CllmError => networkError(thrown, line, proxy);
    const exchange = new Exchange(options.signal, failure);
    this.#agent.dispatch(
      {
        origin: url.origin,
        path: isForwarded ? url.origin + path : path,
        method: options.method,
        headers: { 'accept-encoding': 'identity', ...options.headers, ...(isForwarded && proxyAuthorization(proxy)) },
        body: options.body ?? null,
      },
      exchange,
    );
    this.#waiting += 1;
    const running = this.#references.begin();
    try {
      return received(await exchange.answer, failure, running);
    } catch (thrown) {
      running.end();
      if (options.signal.aborted) throw options.signal.reason;
      if (thrown instanceof CllmError) throw thrown;
      if (proxy === null && isClosedUnanswered(thrown) && (await this.#speaksTls(url))) throw plainToTls(thrown, line);
      if (options.signal.aborted) throw options.signal.reason;
      throw this.#failure(thrown, line, proxy);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0 && options.signal.aborted) this.#abandonConnecting();
    }
  }

  /** Ends every connection, also those in use. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abandonConnecting();
    await this.#agent.destroy();
  }

  #failure(thrown: unknown, line: RequestLine, proxy: URL | null): CllmError {
    if (thrown instanceof ConnectTimeout) {
      const seconds = this.#options.connectTimeout;
      return new DeadlineError('connect', `no connection within ${seconds} s: ${line.method} ${line.url}`, {
        hint: 'check the network and --base-url with `cllm doctor`, or wait longer: --connect-timeout',
      });
    }
    return networkError(isTlsAlert(thrown) ? new ConnectFailure('tls', thrown) : thrown, line, proxy);
  }

  #connect(target: buildConnector.Options, callback: buildConnector.Callback): void {
    const url = new URL(`${target.protocol}//${target.host ?? target.hostname}`);
    const seconds = this.#options.connectTimeout;
    let timer: NodeJS.Timeout | undefined;
    const settle = (failure: Error | null, socket: Parameters<typeof callback>[1]) => {
      clearTimeout(timer);
      this.#connecting.delete(abandon);
      if (socket !== null) this.#references.add(socket);
      if (failure === null && socket !== null) callback(null, socket);
      else callback(failure ?? new Error('no socket'), null);
    };
    const drop = openConnection(
      {
        isHttps: url.protocol === 'https:',
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
        proxy: proxyFor(url, this.#options.httpProxy ?? {}),
        secureContext: this.#secureContext,
      },
      settle,
    );
    const abandon = () => {
      drop();
      settle(new ConnectFailure('connect', new Error('abandoned')), null);
    };
    this.#connecting.add(abandon);
    if (seconds > 0) {
      timer = setTimeout(
        () => {
          drop();
          settle(new ConnectTimeout(), null);
        },
        Math.min(seconds * 1000, longestTimer),
      );
    }
  }

  /**
   * Whether a port that closed the connection on a plain request speaks TLS: most of its servers say nothing before they
   * close. Asked once for each address, and nothing is sent.
   */
  #speaksTls(url: URL): Promise<boolean> {
    if (url.protocol !== 'http:') return Promise.resolve(false);
    const known = this.#tlsPorts.get(url.host);
    if (known !== undefined) return known;
    const asked = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => abandon(), longestTlsQuestion);
      const answer = (isTls: boolean) => {
        clearTimeout(timer);
        this.#connecting.delete(abandon);
        resolve(isTls);
      };
      const drop = openConnection(
        {
          isHttps: true,
          host: url.hostname.replace(/^\[|\]$/g, ''),
          port: Number(url.port) || 80,
          proxy: null,
          secureContext: this.#secureContext,
          isOnlyLooking: true,
        },
        (failure, socket) => {
          socket?.destroy();
          answer(failure === null);
        },
      );
      const abandon = () => {
        drop();
        answer(false);
      };
      this.#connecting.add(abandon);
    });
    this.#tlsPorts.set(url.host, asked);
    return asked;
  }

  #abandonConnecting(): void {
    for (const abandon of this.#connecting) abandon();
  }
}

class ConnectTimeout extends Error {}

/** A TLS server on this side of a continent answers a hello sooner. */
const longestTlsQuestion = 500;

/** The connection was made, and closed without a byte. */
function isClosedUnanswered(thrown: unknown): boolean {
  const { code } = (thrown ?? {}) as { code?: unknown };
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET';
}

/** The server's no to a connection that seemed open: TLS 1.3 looks at the client's certificate after the handshake. */
function isTlsAlert(thrown: unknown): boolean {
  const { code } = (thrown ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^ERR_SSL_\w*ALERT/.test(code);
}

function received(
  { status, headers, body }: Answer,
  failure: (thrown: unknown) => CllmError,
  running: RunningRequest,
): HttpResponse {
  return {
    status,
    headers,
    body: decoded(body, { status, contentEncoding: headers['content-encoding'] }, failure),
    release: () => {
      running.end();
      body.release();
    },
    destroy: () => {
      running.end();
      body.destroy();
    },
    hold: () => running.hold(),
    goOn: () => running.goOn(),
  };
}

export function secureContextOf({ ca, cert, certKey }: TransportOptions): SecureContext | undefined {
  if (ca === undefined && cert === undefined && certKey === undefined) return undefined;
  for (const pem of ca ?? []) {
    if (!/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(pem))
      throw badCertificate('the certificate authority file holds no PEM certificate');
  }
  try {
    return createSecureContext({
      // Node's `ca` replaces the authorities that it trusts; a company's is meant beside them.
      ...(ca && { ca: [...trusted(), ...ca] }),
      ...(cert !== undefined && { cert }),
      ...(certKey !== undefined && { key: certKey }),
    });
  } catch {
    // The thrown error may quote a private key's file; it stays out of `cause`.
    throw badCertificate('a certificate or its key can not be read');
  }
}

/** With those of NODE_EXTRA_CA_CERTS where Node tells them (22.15 and later). */
function trusted(): readonly string[] {
  const tls = createRequire(import.meta.url)('node:tls') as { getCACertificates?: (type: 'default') => string[] };
  return tls.getCACertificates?.('default') ?? rootCertificates;
}

function badCertificate(message: string): UsageError {
  return new UsageError(message, {
    code: 'config_invalid',
    hint: 'give PEM files: --cacert FILE or SSL_CERT_FILE, --cert FILE and --cert-key FILE',
  });
}
