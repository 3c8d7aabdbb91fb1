/**
 * A provider for a proxy under measurement, a process of its own: it prints its address and serves until its parent ends.
 * A reply is 100 words: streamed, a chunk each 50 ms; else one body after the same 5 s.
 */
import { createServer } from 'node:http';

const [words, pauseMs] = [100, 50];
const usage = { prompt_tokens: 10, completion_tokens: words, total_tokens: 10 + words };
const head = { id: 'chatcmpl-bench', created: 1763800000, model: 'bench' };
const chunk = (choices, rest = {}) =>
  `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...rest })}\n\n`;

function stream(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    response.write(chunk([{ index: 0, delta: { role: 'assistant', content: `word ` }, finish_reason: null }]));
    if (sent < words) return;
    clearInterval(timer);
    response.end(`${chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])}${chunk([], { usage })}data: [DONE]\n\n`);
  }, pauseMs);
  response.on('close', () => clearInterval(timer));
}

function whole(response) {
  const message = { role: 'assistant', content: 'word '.repeat(words) };
  const body = { ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage };
  setTimeout(() => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }, words * pauseMs);
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const { stream: isStreamed } = JSON.parse(Buffer.concat(parts).toString() || '{}');
    return isStreamed ? stream(response) : whole(response);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit()).resume();
