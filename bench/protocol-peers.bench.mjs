/**
 * Chunks a second over loopback, from one server, to clients that fold what they get:
 *
 *   node bench/protocol-peers.bench.mjs [--smoke]
 *
 * openai-node is measured where it is installed: beside this repository's packages, or in the folder that
 * CLLM_BENCH_PEERS names (`npm install openai@6.49.0` there).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { createParser } from 'eventsource-parser';
import { request } from 'undici';
import { held } from './support/held.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isSmoke = process.argv.includes('--smoke');
const chunkCount = isSmoke ? 1_000 : 100_000;
const rounds = isSmoke ? 1 : 5;

/** The upstream, in a process of its own: it writes prepared pieces of 16 KiB as fast as they are taken. */
function serve() {
  const base = {
    id: 'chatcmpl-BvCkHqNQmsUJ0vAXq4mRzAbCdEfGh',
    created: 1763800000,
    model: 'gpt-4o-mini',
    object: 'chat.completion.chunk',
    system_fingerprint: 'fp_34a54ae93c',
  };
  const line = (delta, rest) => `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta, ...rest }] })}\n\n`;
  const words = [' the', ' quick', ' brown', ' fox', ' jumps', ' over', ' a', ' lazy', ' dog', '.\n'];
  const lines = [line({ role: 'assistant', content: '' })];
  for (let index = 0; index < chunkCount; index += 1) lines.push(line({ content: words[index % words.length] }));
  lines.push(line({}, { finish_reason: 'stop' }), 'data: [DONE]\n\n');
  const body = Buffer.from(lines.join(''));
  const server = createServer((incoming, response) => {
    incoming.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    let from = 0;
    const write = () => {
      while (from < body.length) {
        const piece = body.subarray(from, from + 16 * 1024);
        from += piece.length;
        if (!response.write(piece)) return;
      }
      response.end();
    };
    response.on('drain', write);
    write();
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
  process.stdin.on('end', () => process.exit(0)).resume();
}

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'cllm-bench-'));
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), '--serve', ...process.argv.slice(2)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [port] = await once(server.stdout, 'data');
    const baseUrl = `http://127.0.0.1:${String(port).trim()}`;
    const contenders = { ...(await cllm(directory, baseUrl)), ...bareLoop(baseUrl), ...(await openai(baseUrl)) };
    const rates = await medianRates(contenders);
    const peer = rates['openai-node, for await'];
    console.log(
      `\n${chunkCount.toLocaleString('en')} chunks over loopback${peer === undefined ? ' (openai-node is not installed: see the head of this file)' : ''}`,
    );
    for (const [name, rate] of Object.entries(rates)) {
      const ratio = peer === undefined ? '' : `${(rate / peer).toFixed(1)} × openai-node`;
      console.log(
        `  ${name.padEnd(44)} ${Math.round(rate / 1000)
          .toLocaleString('en')
          .padStart(5)} k/s  ${ratio}`,
      );
    }
    if (peer !== undefined)
      held('the library, for await, over openai-node', rates['cllm, for await, folded'] / peer, 'at least', 0.2);
  } finally {
    server.stdin.end();
    rmSync(directory, { recursive: true });
  }
}

const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

async function cllm(directory, baseUrl) {
  const outfile = join(directory, 'client.mjs');
  await build({
    entryPoints: [join(root, 'src/client/client.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    logLevel: 'error',
    // undici is CommonJS.
    banner: {
      js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);",
    },
  });
  const { LiteLLMClient } = await import(pathToFileURL(outfile).href);
  const client = new LiteLLMClient({ baseUrl, apiKey: 'sk-none' });
  const finish = async (stream) => {
    const { completion, verdict } = await stream.result();
    if (verdict !== 'complete') throw new Error(`the reply is ${verdict}`);
    return completion.choices[0].message.content.length;
  };
  return {
    'cllm, for await, folded': async () => {
      const stream = client.stream(body);
      let length = 0;
      for await (const chunk of stream) length += chunk.choices[0]?.delta.content?.length ?? 0;
      return (await finish(stream)) === length;
    },
    'cllm, reads(), folded': async () => {
      const stream = client.stream(body);
      let length = 0;
      for await (const chunks of stream.reads())
        for (const chunk of chunks) length += chunk.choices[0]?.delta.content?.length ?? 0;
      return (await finish(stream)) === length;
    },
  };
}

function bareLoop(baseUrl) {
  return {
    'undici + eventsource-parser + JSON.parse': async () => {
      let text = '';
      const parser = createParser({
        onEvent: ({ data }) => {
          if (data !== '[DONE]') text += JSON.parse(data).choices[0]?.delta.content ?? '';
        },
      });
      const answer = await request(`${baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body, stream: true }),
      });
      const decoder = new TextDecoder();
      for await (const bytes of answer.body) parser.feed(decoder.decode(bytes, { stream: true }));
      return text.length > 0;
    },
  };
}

async function openai(baseUrl) {
  const from = createRequire(join(process.env.CLLM_BENCH_PEERS ?? root, 'package.json'));
  let OpenAI;
  try {
    ({ OpenAI } = from('openai'));
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return {};
  }
  const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'sk-none', maxRetries: 0 });
  return {
    'openai-node, for await': async () => {
      let text = '';
      for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      return text.length > 0;
    },
    'openai-node, .stream(), folded': async () => {
      const completion = await client.chat.completions.stream({ ...body, stream: true }).finalChatCompletion();
      return completion.choices[0].message.content.length > 0;
    },
  };
}

/** Every contender in turn, after one round that is not counted. */
async function medianRates(contenders) {
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, run] of Object.entries(contenders)) {
      const start = performance.now();
      if (!(await run())) throw new Error(`${name} lost something`);
      if (round > 0) times[name].push(performance.now() - start);
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, each]) => [
      name,
      (chunkCount / each.toSorted((left, right) => left - right)[Math.floor(each.length / 2)]) * 1000,
    ]),
  );
}

if (process.argv.includes('--serve')) serve();
else await main();
