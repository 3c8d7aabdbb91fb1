/**
 * One contender of bench/streams.bench.mjs, a process of its own: so many streams at once on one client, each delta the
 * time at which the upstream wrote it. Prints a JSON object: the delays, what each stream got, and memory.
 *
 *   node --expose-gc bench/support/many-streams.mjs CONTENDER BASE_URL STREAMS DELTAS PAUSE_MS
 */
import { pathToFileURL } from 'node:url';

const [, , contender, baseUrl, streams, deltas, pause] = process.argv;
const count = Number(streams);
const model = `paced-${deltas}-${pause}`;
const messages = [{ role: 'user', content: 'hi' }];
/** Milliseconds, of the deltas between those of the opening of so many connections and the collection of garbage. */
const delays = [];
const got = Array.from({ length: count }, () => 0);
const [first, last] = [0.3 * Number(deltas), 0.8 * Number(deltas)];
let held = null;

/** @param text of one delta: nanoseconds of the clock that all processes share, and a line break */
function arrived(stream, text) {
  const time = Number(process.hrtime.bigint() - BigInt(text.trim())) / 1e6;
  got[stream] += 1;
  if (got[stream] > first && got[stream] <= last) delays.push(time);
  // Once, when all is measured: it stops everything.
  if (got[stream] > 0.9 * Number(deltas) && held === null) held = heldMemory();
}

function heldMemory() {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external - before.heapUsed - before.external;
}

const contenders = {
  async cllm() {
    const { LiteLLMClient } = await import('../../dist/index.js');
    const client = new LiteLLMClient({ baseUrl, apiKey: 'sk-bench' });
    const read = async (stream) => {
      for await (const chunk of client.stream({ model, messages })) {
        const text = chunk.choices[0]?.delta?.content;
        if (text) arrived(stream, text);
      }
    };
    return { read, close: () => client.close() };
  },
  async 'raw undici'() {
    const { Agent, request } = await import('undici');
    const { createParser } = await import('eventsource-parser');
    const dispatcher = new Agent({ connections: null, pipelining: 1 });
    const body = JSON.stringify({ model, messages, stream: true });
    const read = async (stream) => {
      const response = await request(`${baseUrl}/v1/chat/completions`, {
        method: 'POST',
        body,
        dispatcher,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const parser = createParser({
        onEvent({ data }) {
          const text = data === '[DONE]' ? '' : JSON.parse(data).choices[0]?.delta?.content;
          if (text) arrived(stream, text);
        },
      });
      const decoder = new TextDecoder();
      for await (const bytes of response.body) parser.feed(decoder.decode(bytes, { stream: true }));
    };
    return { read, close: () => dispatcher.close() };
  },
  async 'openai-node'() {
    const { default: OpenAI } = await import(
      pathToFileURL(`${process.env.CLLM_BENCH_PEERS}/node_modules/openai/index.mjs`).href
    );
    const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'sk-bench' });
    const read = async (stream) => {
      for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
        const text = chunk.choices[0]?.delta?.content;
        if (text) arrived(stream, text);
      }
    };
    return { read, close: () => {} };
  },
};

const { read, close } = await contenders[contender]();
globalThis.gc();
const before = process.memoryUsage();
const started = process.cpuUsage();
await Promise.all(got.map((_, stream) => read(stream)));
const { user, system } = process.cpuUsage(started);
await close();
const sorted = Float64Array.from(delays).toSorted();
const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
console.log(
  JSON.stringify({
    median: at(0.5),
    p99: at(0.99),
    longest: sorted.at(-1),
    fewest: Math.min(...got),
    most: Math.max(...got),
    held: held / count,
    resident: (process.resourceUsage().maxRSS * 1024 - before.rss) / count,
    cpu: (user + system) / 1000 / (count * Number(deltas)),
  }),
);
