/**
 * The upstream of the benchmarks, a process of its own: it prints its address and serves until its parent ends. What it
 * sends follows from the model's name:
 *
 *   reply-N        N deltas at once, in writes of about 16 KiB
 *   paced-N-MS     N deltas, one every MS milliseconds, each the time of its write in nanoseconds of the monotonic clock
 *   arrival        one delta: the time at which the head of the request was there
 */
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const event = (delta, rest = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1763800000, model: 'bench', choices: [{ index: 0, delta, ...rest }] })}\n\n`;
const usage = (count) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1763800000, model: 'bench', choices: [{ index: 0, delta: {} }], usage: { prompt_tokens: 10, completion_tokens: count, total_tokens: count + 10 } })}\n\n`;

async function answer(model, response, arrivedAt) {
  const [kind, count, pause] = model.split('-');
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const write = async (text) => {
    if (!response.write(text)) await new Promise((resolve) => response.once('drain', resolve));
  };
  await write(event({ role: 'assistant', content: '' }));
  if (kind === 'arrival') {
    await write(event({ content: `${arrivedAt}\n` }));
  } else if (kind === 'paced') {
    // Straight to the socket, and nothing but the time is put together after it was taken.
    const [before, after] = event({ content: 'TIME\n' }).split('TIME');
    const frame = (before.length + String(process.hrtime.bigint()).length + after.length).toString(16);
    for (let index = 0; index < Number(count); index += 1) {
      await wait(Number(pause));
      response.socket.write(`${frame}\r\n${before}${process.hrtime.bigint()}${after}\r\n`, 'latin1');
    }
  } else {
    let text = '';
    for (let index = 0; index < Number(count); index += 1) {
      text += event({ content: index % 10 === 9 ? ' word.\n' : ' word' });
      if (text.length > 16_384) {
        await write(text);
        text = '';
      }
    }
    await write(text);
  }
  response.end(`${event({}, { finish_reason: 'stop' })}${usage(Number(count))}data: [DONE]\n\n`);
}

const server = createServer((request, response) => {
  const arrivedAt = process.hrtime.bigint();
  let body = '';
  request.setEncoding('utf8').on('data', (text) => (body += text));
  request.on('end', () => void answer(JSON.parse(body).model, response, arrivedAt).catch(() => response.destroy()));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => process.exit());
