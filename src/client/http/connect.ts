import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as tcpConnect, isIP, type Socket } from 'node:net';
import { connect as tlsConnect, type SecureContext } from 'node:tls';

/** Where a connection failed; what went wrong is in `cause`. The words for people are network-error.ts's. */
export class ConnectFailure extends Error {
  readonly phase: 'connect' | 'tls' | 'proxy';
  /** HTTP status of a proxy that refused the tunnel. */
  readonly proxyStatus: number | null;

  constructor(phase: 'connect' | 'tls' | 'proxy', cause: unknown, proxyStatus: number | null = null) {
    super(`connection failed (${phase})`, { cause });
    this.phase = phase;
    this.proxyStatus = proxyStatus;
  }
}

export interface ConnectTarget {
  isHttps: boolean;
  host: string;
  port: number;
  /** The HTTP proxy on the way, or null. */
  proxy: URL | null;
  secureContext: SecureContext | undefined;
  /** Takes any certificate, to look at it. Nothing may be sent over such a connection. */
  isOnlyLooking?: boolean;
}

/**
 * Opens a connection: straight, to an HTTP proxy (plain http goes through it as it is), or through a tunnel that the
 * proxy opens (https). Own code instead of undici's ProxyAgent, which sends plain http through CONNECT (many a company's
 * proxy allows that for port 443 only), gives all failures one face and can not be abandoned half way.
 *
 * @returns a function that abandons the attempt: no socket stays, and `done` is not called any more.
 */
export function openConnection(
  target: ConnectTarget,
  done: (failure: ConnectFailure | null, socket: Socket | null) => void,
): () => void {
  const opened = new Set<{ destroy(): unknown }>();
  let isOver = false;
  const finish = (failure: ConnectFailure | null, socket: Socket | null) => {
    if (isOver) return;
    isOver = true;
    if (failure !== null) for (const each of opened) each.destroy();
    done(failure, socket);
  };
  const secure = (options: { socket?: Socket }) => {
    const socket = tlsConnect({
      ...(options.socket ? { socket: options.socket } : { host: target.host, port: target.port, ...familyOptions }),
      // A name only: RFC 6066 forbids addresses in SNI.
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      host: target.host,
      ALPNProtocols: ['http/1.1'],
      ...(target.secureContext && { secureContext: target.secureContext }),
      ...(target.isOnlyLooking === true && { rejectUnauthorized: false }),
    });
    opened.add(socket);
    let isConnected = options.socket !== undefined;
    if (!isConnected) socket.once('connect', () => (isConnected = true));
    socket.once('secureConnect', () => finish(null, prepared(socket)));
    socket.on('error', (error) => {
      // An alert that comes after the handshake (TLS 1.3 asks for a client certificate then) is followed by an `end` that
      // would hide it.
      socket.destroy();
      finish(new ConnectFailure(isConnected ? 'tls' : 'connect', error), null);
    });
    socket.once('close', () =>
      finish(new ConnectFailure('tls', new Error('the connection was closed during the TLS handshake')), null),
    );
  };

  if (target.proxy === null || !target.isHttps) {
    if (target.isHttps) secure({});
    else if (target.proxy?.protocol === 'https:') {
      const proxy = target.proxy;
      const socket = tlsConnect({
        host: bareHost(proxy),
        port: portOf(proxy),
        ...(isIP(bareHost(proxy)) === 0 ? { servername: bareHost(proxy) } : {}),
        ALPNProtocols: ['http/1.1'],
        ...(target.secureContext && { secureContext: target.secureContext }),
      });
      opened.add(socket);
      socket.once('secureConnect', () => finish(null, prepared(socket)));
      socket.on('error', (error) => finish(new ConnectFailure('proxy', error), null));
    } else {
      const socket = tcpConnect({
        ...(target.proxy
          ? { host: bareHost(target.proxy), port: portOf(target.proxy) }
          : { host: target.host, port: target.port }),
        ...familyOptions,
      });
      opened.add(socket);
      socket.once('connect', () => finish(null, prepared(socket)));
      socket.on('error', (error) => finish(new ConnectFailure(target.proxy ? 'proxy' : 'connect', error), null));
    }
  } else {
    const tunnel = requestTunnel(target, target.proxy);
    opened.add(tunnel);
    tunnel.on('connect', (response, socket) => {
      opened.add(socket);
      if (response.statusCode === 200) secure({ socket });
      else finish(new ConnectFailure('proxy', undefined, response.statusCode ?? 0), null);
    });
    tunnel.on('error', (error) => finish(new ConnectFailure('proxy', error), null));
    tunnel.end();
  }
  return () => {
    isOver = true;
    for (const each of opened) each.destroy();
  };
}

/** Through node:http, whose parser already knows what a proxy may answer. */
function requestTunnel(target: ConnectTarget, proxy: URL) {
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  const options: RequestOptions = {
    method: 'CONNECT',
    host: bareHost(proxy),
    port: portOf(proxy),
    path: authority,
    agent: false,
    headers: { host: authority, ...proxyAuthorization(proxy) },
  };
  return proxy.protocol === 'https:'
    ? httpsRequest({ ...options, ...(target.secureContext && { secureContext: target.secureContext }) })
    : httpRequest(options);
}

/** The header for a proxy whose URL holds credentials; a name alone is enough. */
export function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === '' && proxy.password === '') return {};
  const credentials = `${decode(proxy.username)}:${decode(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** A `%` that escapes nothing stands for itself: passwords are pasted as they are. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Node's 250 ms for each address is less than one round trip to some places, and then every address fails. */
const familyOptions = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1_000 };

/**
 * For undici, whose own listeners come after this one: it takes a reset for the end of a body that the connection's end
 * ends, and fails on an assertion where it has paused the connection (7.30).
 */
function renameReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'RESET';
}

function prepared(socket: Socket): Socket {
  socket.on('error', renameReset);
  return socket.setNoDelay(true).setKeepAlive(true, 60_000);
}

const bareHost = (url: URL) => url.hostname.replace(/^\[|\]$/g, '');
const portOf = (url: URL) => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
