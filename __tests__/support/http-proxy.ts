import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** An HTTP proxy as companies run them, on a free loopback port. Every name leads to loopback, whatever it is. */
export interface HttpProxy {
  readonly url: string;
  readonly port: number;
  /** `CONNECT host:port` and `POST http://…`, in the order of arrival, each with the credentials that came. */
  readonly requests: { line: string; authorization: string | undefined }[];
  /** The status of every answer instead of a way through; null lets requests through. */
  refusal: number | null;
  /** Takes requests and answers nothing. */
  isSilent: boolean;
  close(): Promise<void>;
}

export async function startHttpProxy(options: { tls?: { key: string; cert: string } } = {}): Promise<HttpProxy> {
  const sockets = new Set<Socket>();
  const requests: HttpProxy['requests'] = [];
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const note = (request: IncomingMessage) =>
    requests.push({ line: `${request.method} ${request.url}`, authorization: request.headers['proxy-authorization'] });

  const server = options.tls ? createTlsServer(options.tls) : createServer();
  server.on('connection', track);
  server.on('tlsClientError', () => {});
  server.on('request', (request, response) => {
    note(request);
    if (proxy.isSilent) return;
    if (proxy.refusal !== null) {
      response
        .writeHead(proxy.refusal, { 'content-type': 'text/html' })
        .end('<html><title>Proxy says no</title></html>');
      return;
    }
    const target = new URL(request.url ?? '');
    const { 'proxy-authorization': _credentials, ...headers } = request.headers;
    const forward = httpRequest(
      { host: '127.0.0.1', port: target.port, method: request.method, path: target.pathname, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    forward.on('error', () => response.destroy());
    request.pipe(forward);
  });
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    note(request);
    if (proxy.isSilent) return;
    if (proxy.refusal !== null) {
      client.end(`HTTP/1.1 ${proxy.refusal} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = track(connect(Number(request.url?.split(':').at(-1)), '127.0.0.1'));
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client);
      client.pipe(upstream);
    });
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: HttpProxy = {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    refusal: null,
    isSilent: false,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
