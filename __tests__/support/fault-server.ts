import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/**
 * An upstream on raw sockets: what it answers is a list of bytes, waits and ends. For whatever a broken server, a load
 * balancer or a torn cable can do; see fake-upstream.ts for replies in good order.
 *
 *   const server = await startFaultServer();
 *   server.script = [...head(200), 'data: {', { reset: true }];           // or (connection, request) => script
 *   … { baseUrl: server.baseUrl } …
 *   await server.close();
 */
export type Act =
  /** Bytes, each item in a write of its own. */
  | string
  | Uint8Array
  /** A pause in milliseconds. */
  | { wait: number }
  /** Waits for the test. */
  | { gate: Promise<unknown> }
  /** RST, after what was written before it has left. */
  | { reset: true }
  /** FIN. */
  | { fin: true }
  /** Holds the socket open and silent until the client or `close()` ends it. */
  | { stall: true };

export interface FaultRequest {
  /** The request line and headers as they came. */
  head: string;
  body: string;
  /** Which connection it came on, from 0. */
  connection: number;
}

export type Script = readonly Act[] | ((request: FaultRequest) => readonly Act[]);

export interface FaultServer {
  readonly baseUrl: string;
  readonly port: number;
  /** Played for each request; after it the connection takes the next request, unless the script ended it. */
  script: Script;
  readonly requests: FaultRequest[];
  readonly connectionCount: number;
  /** Connections that are open now. */
  readonly openCount: number;
  /** A script is being played. */
  readonly isPlaying: boolean;
  /** Resolves when the last connection has closed. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

export async function startFaultServer(
  script: Script = [],
  options: { host?: string; tls?: { key: string; cert: string; ca?: string; requestCert?: boolean } } = {},
): Promise<FaultServer> {
  const requests: FaultRequest[] = [];
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let connectionCount = 0;
  let playing = 0;

  const onConnection = (socket: Socket) => {
    const connection = connectionCount;
    connectionCount += 1;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
    let received = Buffer.alloc(0);
    let isPlaying = false;
    const advance = async () => {
      if (isPlaying) return;
      isPlaying = true;
      for (let request = readRequest(received); request !== null; request = readRequest(received)) {
        received = received.subarray(request.length);
        const recorded = { head: request.head, body: request.body, connection };
        requests.push(recorded);
        // One after the other, on purpose: HTTP/1.1 answers in order.
        playing += 1;
        await play(typeof server.script === 'function' ? server.script(recorded) : server.script, socket);
        playing -= 1;
      }
      isPlaying = false;
    };
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      void advance();
    });
  };
  const listener = options.tls
    ? createTlsServer({ ...options.tls, rejectUnauthorized: options.tls.requestCert === true }, onConnection)
    : createServer(onConnection);
  const host = options.host ?? '127.0.0.1';
  listener.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, host, resolve);
  });
  const { port } = listener.address() as AddressInfo;

  const server: FaultServer = {
    baseUrl: `${options.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    script,
    requests,
    get connectionCount() {
      return connectionCount;
    },
    get openCount() {
      return sockets.size;
    },
    get isPlaying() {
      return playing > 0;
    },
    idle: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}

async function play(acts: readonly Act[], socket: Socket): Promise<void> {
  for (const act of acts) {
    if (socket.destroyed) return;
    if (typeof act === 'string' || act instanceof Uint8Array) {
      if (!socket.write(act)) await drained(socket);
    } else if ('wait' in act) await new Promise((resolve) => setTimeout(resolve, act.wait));
    else if ('gate' in act) await act.gate;
    else if ('reset' in act) {
      await written(socket);
      socket.resetAndDestroy();
    } else if ('fin' in act) socket.end();
    else await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  }
}

function readRequest(bytes: Buffer): { head: string; body: string; length: number } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const lines = bytes.toString('latin1', 0, end);
  const length = end + 4 + Number(/^content-length: *(\d+)/im.exec(lines)?.[1] ?? 0);
  return bytes.length < length ? null : { head: lines, body: bytes.toString('utf8', end + 4, length), length };
}

const written = (socket: Socket) => new Promise<void>((resolve) => socket.write('', () => resolve()));

const drained = (socket: Socket) =>
  new Promise<void>((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', () => resolve());
  });

/** A status line with headers; chunked unless the headers say something about the length. */
export function head(status = 200, headers: Record<string, string | string[]> = {}): string {
  const isFramed = Object.keys(headers).some((name) => /^(content-length|connection|transfer-encoding)$/i.test(name));
  const all = {
    'Content-Type': 'text/event-stream',
    ...(isFramed ? {} : { 'Transfer-Encoding': 'chunked' }),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => [value].flat().map((each) => `${name}: ${each}\r\n`));
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`;
}

/** One chunk of chunked coding. */
export function coded(data: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(data);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** The end of a chunked body. */
export const lastChunk = '0\r\n\r\n';

/** An SSE event. */
export const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
