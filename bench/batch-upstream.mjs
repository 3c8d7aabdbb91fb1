/**
 * The upstream of the batch benchmark and of the soak test, a process of its own: it prints its address and serves until
 * its parent ends. It repeats the prompt after so many milliseconds: `node bench/batch-upstream.mjs 200`. GET /count says
 * how many requests it had and how many at once.
 */
import { createServer } from 'node:http';

const delay = Number(process.argv[2] ?? 200);
const count = { requests: 0, inFlight: 0, most: 0 };

const event = (choices, rest = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1763800000, model: 'bench', choices, ...rest })}\n\n`;
const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, cost: 0.000_001 };

function answer(body, response) {
  const text = String(JSON.parse(body).messages.at(-1).content);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.end(
    event([{ index: 0, delta: { role: 'assistant', content: 'You said: ' } }]) +
      event([{ index: 0, delta: { content: text } }]) +
      event([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
      event([{ index: 0, delta: {} }], { usage }) +
      'data: [DONE]\n\n',
  );
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (request.url === '/count') return response.end(JSON.stringify(count));
    if (request.method !== 'POST') return response.writeHead(404).end('{}');
    count.requests += 1;
    count.inFlight += 1;
    count.most = Math.max(count.most, count.inFlight);
    response.on('close', () => (count.inFlight -= 1));
    return setTimeout(() => answer(Buffer.concat(parts).toString(), response), delay);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit()).resume();
