// The least that a Node program can do: the bytes of the socket go to stdout, nothing is parsed and nothing is kept.
import { connect } from 'node:net';

const { hostname, port } = new URL(process.env.BASE_URL);
const body = JSON.stringify({ model: process.env.MODEL, messages: [{ role: 'user', content: 'hi' }], stream: true });
const socket = connect(Number(port), hostname);
socket.write(
  `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
socket.on('data', (bytes) => process.stdout.write(bytes));
