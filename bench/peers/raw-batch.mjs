// The least that a batch on undici can do: each request by itself, the answer parsed and joined, a line of it appended, and
// the file synced where nothing waits for a sync already. Nothing is checked, retried, limited or added up.
import { appendFileSync, fdatasync, openSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import Agent from 'undici/lib/dispatcher/agent.js';
import { request } from 'undici';

const [, , input, output, model, atOnce] = process.argv;
const agent = new Agent({ connections: Number(atOnce) });
const sync = promisify(fdatasync);
const file = openSync(output, 'a');
const items = readFileSync(input, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));

let syncing = null;
/** A sync of everything so far; those who come while one runs share the next. */
const synced = async () => {
  await syncing;
  return (syncing ??= sync(file).finally(() => (syncing = null)));
};

async function ask({ custom_id: id, prompt }) {
  const { body } = await request(`${process.env.LITELLM_PROXY_URL}/v1/chat/completions`, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-bench' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], stream: true }),
  });
  let text = '';
  for (const line of (await body.text()).split('\n')) {
    if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
    text += JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? '';
  }
  appendFileSync(file, `${JSON.stringify({ custom_id: id, result: text })}\n`);
  await synced();
}

let next = 0;
await Promise.all(
  Array.from({ length: Number(atOnce) }, async () => {
    while (next < items.length) await ask(items[next++]);
  }),
);
await agent.close();
