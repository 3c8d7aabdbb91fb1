import { CllmError, type ErrorCode } from '../../outcome/errors.ts';
import { redactSecrets } from '../../protocol/redact-secrets.ts';
import { ConnectFailure } from './connect.ts';
import { isLoopback } from './http-proxy.ts';
import { shellWord } from '../../protocol/shell-word.ts';

/** The request that failed, as a message may name it. */
export interface RequestLine {
  method: string;
  /** Without a query. */
  url: string;
}

/** Says what failed on the way, in words, with the next command to try. The original stays in `cause`. */
export function networkError(thrown: unknown, request: RequestLine, proxy: URL | null): CllmError {
  if (thrown instanceof ConnectFailure) return connectError(thrown, request, proxy);
  if (isParserError(thrown)) return parserError(thrown, request);
  const { code, message } = facts(thrown);
  const reason = bodyReasons[code] ?? `connection failed (${code || message})`;
  return failure('connection_failed', reason, request, {
    cause: thrown,
    isRetryable: code !== 'UND_ERR_HEADERS_OVERFLOW',
    hint: 'try again, or see `cllm doctor`',
  });
}

/** A port that speaks TLS, and was spoken to in plain text. */
export function plainToTls(thrown: unknown, request: RequestLine): CllmError {
  return failure('connection_failed', 'the answer is no HTTP: this port speaks TLS', request, {
    cause: thrown,
    isRetryable: false,
    hint: `use --base-url ${shellWord(new URL(request.url).origin.replace('http:', 'https:'), 'URL')}`,
  });
}

/** undici 7.30 gives its parser's errors no code: by their name. What answered begins with `data`. */
function isParserError(thrown: unknown): thrown is Error & { data?: unknown } {
  return thrown instanceof Error && thrown.name === 'HTTPParserError';
}

function parserError(thrown: Error & { data?: unknown }, request: RequestLine): CllmError {
  const data = typeof thrown.data === 'string' ? thrown.data : '';
  if (!thrown.message.includes('Expected HTTP/')) {
    // It began like HTTP. llhttp's own words say what is wrong, and hold nothing of the answer.
    const what = /\((.{1,80})\)$/.exec(thrown.message)?.[1] ?? 'unknown reason';
    return failure('connection_failed', `the answer is damaged: it is no HTTP from some byte on (${what})`, request, {
      cause: thrown,
      isRetryable: false,
      hint: 'something between here and the proxy breaks its answers; `cllm doctor` looks at each step',
    });
  }
  // A record of TLS: its type, and the version's first byte (RFC 8446 section 5.1).
  // oxlint-disable-next-line no-control-regex -- the record's own bytes
  if (/^[\u0014-\u0017]\u0003/.test(data)) return plainToTls(thrown, request);
  const speaker = speakers.find(([pattern]) => pattern.test(data))?.[1];
  const what = speaker === undefined ? '' : `: ${speaker} answers there`;
  return failure('connection_failed', `the answer is no HTTP${what}`, request, {
    cause: thrown,
    isRetryable: false,
    hint: 'something that is no HTTP server answered; check host and port in --base-url',
  });
}

/** How other protocols begin to speak, by the first bytes of their servers. */
const speakers: [RegExp, string][] = [
  [/^SSH-/, 'an SSH server'],
  // An empty SETTINGS frame or one with a few settings (RFC 9113 section 3.4).
  // oxlint-disable-next-line no-control-regex -- the frame's own bytes
  [/^(\0\0[^]\u0004[\0\u0001]\0\0\0\0|PRI \* HTTP\/2)/, 'a server that speaks HTTP/2 only'],
  [/^-(ERR|NOAUTH|DENIED|WRONGPASS)\b/, 'a Redis server'],
  [/^220[ -]/, 'a mail or FTP server'],
  [/^(\+OK|\* OK)/, 'a mail server'],
  [/^[^]{4}\n\d+\.\d+/, 'a MySQL server'],
  [/^(POST|GET) \//, 'something that repeats what it is sent'],
];

/** What undici's and Node's codes mean while a request or a reply is on its way. */
const bodyReasons: Record<string, string> = {
  ECONNRESET: 'connection reset',
  // By connect.ts.
  RESET: 'connection reset',
  EPIPE: 'connection closed while the request was sent',
  UND_ERR_SOCKET: 'connection closed before the answer was complete',
  UND_ERR_HEADERS_OVERFLOW: 'the answer has too many headers',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer is not as long as it said',
  Z_BUF_ERROR: 'the compressed answer ended too early',
  Z_DATA_ERROR: 'the compressed answer is damaged',
};

function connectError(thrown: ConnectFailure, request: RequestLine, proxy: URL | null): CllmError {
  const { code, message } = facts(thrown.cause);
  const { host, hostname } = new URL(request.url);
  if (thrown.phase === 'proxy' && proxy !== null) return proxyError(thrown, request, proxy, code || message);
  if (thrown.phase === 'tls') return tlsError(thrown, request, code, message);
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
    case 'EAI_FAIL':
      return failure('dns_failed', `no address found for ${host} (${code})`, request, {
        cause: thrown.cause,
        isRetryable: code === 'EAI_AGAIN',
        hint: 'check the host in --base-url and the network; `cllm doctor` looks at each step',
      });
    case 'ECONNREFUSED':
      return failure('connection_refused', `nothing listens on ${host}`, request, {
        cause: thrown.cause,
        isRetryable: true,
        hint: isLoopback(hostname)
          ? 'start a proxy with `cllm proxy up`, name another with --base-url, or try `cllm --demo`'
          : 'check --base-url; `cllm doctor` looks at each step',
      });
    default:
      return failure('connection_failed', `${host} can not be reached (${code || message})`, request, {
        cause: thrown.cause,
        isRetryable: true,
        hint: 'check the network and --base-url; `cllm doctor` looks at each step',
      });
  }
}

function proxyError(thrown: ConnectFailure, request: RequestLine, proxy: URL, reason: string): CllmError {
  const name = request.url.startsWith('https:') ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const status = thrown.proxyStatus;
  const { host } = new URL(request.url);
  let what = `the HTTP proxy ${proxy.host} can not be reached (${reason})`;
  if (status !== null) what = `the HTTP proxy ${proxy.host} refused the way to ${host} (HTTP ${status})`;
  let hint = `Check ${name}, or put ${host} in NO_PROXY.`;
  if (status === 407) hint = `Put the proxy's user name and password into ${name}: http://user:password@${proxy.host}.`;
  return failure('http_proxy_failed', what, request, {
    cause: thrown.cause,
    isRetryable: status === null ? reason !== 'ENOTFOUND' : status >= 502 && status <= 504,
    hint,
  });
}

function tlsError(thrown: ConnectFailure, request: RequestLine, code: string, message: string): CllmError {
  let reason = code || message;
  let hint = '`cllm doctor` shows the certificate and which authorities are known.';
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)) {
    reason = `its certificate comes from an authority that is not known here (${code})`;
    hint = "Name your company's certificate authority: --cacert FILE, or SSL_CERT_FILE.";
  } else if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    reason = `its certificate ${code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'}`;
    hint = "Check this machine's clock; else the proxy's admin has to renew the certificate.";
  } else if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    reason = `its certificate is for another name (${code})`;
    hint = 'Use the name that the certificate was made for in --base-url.';
  } else if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|EPROTO/.test(`${code} ${message}`)) {
    reason = `it does not speak TLS there (${code})`;
    hint = `If the proxy speaks plain HTTP: --base-url ${shellWord(new URL(request.url).origin.replace('https:', 'http:'), 'URL')}`;
  } else if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE/.test(code)) {
    reason = `it asks for a client certificate, or takes no such one (${code})`;
    hint = 'Name yours: --cert FILE, and --cert-key FILE where its key is elsewhere.';
  }
  return failure('tls_failed', `no secure connection to ${new URL(request.url).host}: ${reason}`, request, {
    cause: thrown.cause,
    isRetryable: code === 'ECONNRESET',
    hint,
  });
}

function failure(
  code: ErrorCode,
  what: string,
  request: RequestLine,
  options: { cause: unknown; hint: string; isRetryable: boolean },
): CllmError {
  return new CllmError(code, `${what}: ${request.method} ${request.url}`, {
    ...options,
    ...(options.cause !== undefined && { cause: harmless(options.cause) }),
  });
}

/** By members: Node's own errors may come from another realm, and several addresses fail as one AggregateError. */
function facts(thrown: unknown): { code: string; message: string } {
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as {
    code?: unknown;
    message?: unknown;
    errors?: unknown[];
  };
  const code = typeof error.code === 'string' ? error.code : '';
  if (code === '' && Array.isArray(error.errors) && error.errors.length > 0) return facts(error.errors[0]);
  return {
    code,
    message: redactSecrets(
      typeof error.message === 'string' && error.message !== '' ? error.message : 'unknown reason',
    ),
  };
}

/** undici's parser error carries the bytes that it choked on: a piece of the reply, which no error of ours may hold. */
function harmless(thrown: unknown): unknown {
  if (typeof thrown !== 'object' || thrown === null || !('data' in thrown)) return thrown;
  const { code, message } = facts(thrown);
  return Object.assign(new Error(message), { code });
}
