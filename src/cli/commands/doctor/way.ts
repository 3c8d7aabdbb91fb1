import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { rootCertificates, TLSSocket, type DetailedPeerCertificate, type SecureContext } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { longestTimer } from '../../../client/reply/deadlines.ts';
import { ConnectFailure, openConnection } from '../../../client/http/connect.ts';

/** Where the first hop of a connection leads: the HTTP proxy if there is one, else the proxy itself. */
export interface Hop {
  host: string;
  port: number;
}

export function hopOf(url: URL): Hop {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
  };
}

/**
 * The addresses of a host.
 *
 * @throws ConnectFailure
 */
export async function addressesOf(host: string, seconds: number): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = await within(seconds, lookup(host, { all: true }), 'the name service did not answer');
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new ConnectFailure('connect', cause);
  }
}

/**
 * Milliseconds that a TCP connection takes.
 *
 * @throws ConnectFailure
 */
export async function tcpTime(hop: Hop, seconds: number): Promise<number> {
  const startedAt = performance.now();
  const socket = connect({ ...hop, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1_000 });
  try {
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    await within(seconds, connected, 'nobody answered');
    return performance.now() - startedAt;
  } catch (cause) {
    throw new ConnectFailure('connect', cause);
  } finally {
    socket.destroy();
  }
}

export interface TlsFacts {
  protocol: string | null;
  subject: string;
  issuer: string;
  /** ISO 8601. */
  validFrom: string;
  validTo: string;
  /** Who vouches for it; null when nobody known here does. */
  root: string | null;
  /** The certificate of `root` came from a file that was named, and is not built into Node. */
  isOwnAuthority: boolean;
}

/**
 * Opens the connection to the proxy itself, through the HTTP proxy if there is one, and looks at the certificate.
 *
 * @throws ConnectFailure
 */
export async function tlsFacts(
  target: Hop & {
    isHttps: boolean;
    proxy: URL | null;
    secureContext: SecureContext | undefined;
    isOnlyLooking?: boolean;
  },
  seconds: number,
): Promise<TlsFacts | null> {
  let abandon = (): void => {};
  const opened = new Promise<Socket>((resolve, reject) => {
    abandon = openConnection(target, (failure, socket) => {
      if (socket !== null) resolve(socket);
      else reject(failure ?? new ConnectFailure('connect', new Error('no socket')));
    });
  });
  try {
    const socket = await within(seconds, opened, 'no connection');
    const facts = socket instanceof TLSSocket ? factsOf(socket) : null;
    socket.destroy();
    return facts;
  } catch (thrown) {
    throw thrown instanceof ConnectFailure ? thrown : new ConnectFailure('connect', thrown);
  } finally {
    abandon();
  }
}

function factsOf(socket: TLSSocket): TlsFacts {
  const certificate = socket.getPeerCertificate(true);
  const root = socket.authorized ? rootOf(certificate) : null;
  return {
    protocol: socket.getProtocol(),
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    validFrom: new Date(certificate.valid_from).toISOString(),
    validTo: new Date(certificate.valid_to).toISOString(),
    root: root === null ? null : nameOf(root.subject),
    isOwnAuthority: root !== null && !isBuiltIn(root),
  };
}

/** The end of the chain; OpenSSL links a self-signed certificate to itself. */
function rootOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate {
  let current = certificate;
  while (current.issuerCertificate !== undefined && current.issuerCertificate !== current) {
    if (current.issuerCertificate.fingerprint256 === current.fingerprint256) break;
    current = current.issuerCertificate;
  }
  return current;
}

function isBuiltIn({ fingerprint256 }: DetailedPeerCertificate): boolean {
  return rootCertificates.some((pem) => new X509Certificate(pem).fingerprint256 === fingerprint256);
}

/** Not every certificate has a common name any more. */
function nameOf(name: DetailedPeerCertificate['subject'] | undefined): string {
  const part = name?.CN ?? name?.O ?? name?.OU ?? 'nameless';
  return Array.isArray(part) ? part.join(', ') : part;
}

async function within<T>(seconds: number, work: Promise<T>, message: string): Promise<T> {
  if (seconds === 0) return work;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error(`${message} within ${seconds} s`), { code: 'ETIMEDOUT' })),
      Math.min(seconds * 1000, longestTimer),
    );
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
