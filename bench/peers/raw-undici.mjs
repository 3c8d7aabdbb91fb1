// The least that a program on undici can do: the bytes of the body go to stdout, nothing is parsed and nothing is kept.
import Agent from 'undici/lib/dispatcher/agent.js';

const agent = new Agent();
agent.dispatch(
  {
    origin: process.env.BASE_URL,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: process.env.MODEL, messages: [{ role: 'user', content: 'hi' }], stream: true }),
  },
  {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData: (_controller, bytes) => void process.stdout.write(bytes),
    onResponseEnd: () => void agent.close(),
    onResponseError(_controller, error) {
      throw error;
    },
  },
);
