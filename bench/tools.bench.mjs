/**
 * What a step of the loop of tools takes beside the model and the tool: loops of several lengths against a proxy that
 * answers at once, with the history (each step is committed four times: its prompt, its reply, its call and the result)
 * and without.
 *
 *   npm run build && node bench/tools.bench.mjs [--smoke]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './support/command.mjs';
import { exponent, held } from './support/held.mjs';

const isSmoke = process.argv.includes('--smoke');
const lengths = isSmoke ? [0, 2] : [0, 10, 50];
const rounds = isSmoke ? 1 : 9;

const server = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => answer(request.url, JSON.parse(Buffer.concat(pieces).toString() || '{}'), response));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

function answer(url, body, response) {
  const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  const inputSchema = { type: 'object', properties: { n: { type: 'number' } } };
  const mcp_info = { server_name: 'math', server_id: 'math' };
  if (url.startsWith('/mcp-rest/tools/list')) {
    return json({ tools: [{ name: 'add', description: 'adds', inputSchema, mcp_info }], error: null });
  }
  if (url === '/mcp-rest/tools/call') return json({ content: [{ type: 'text', text: '5' }], isError: false });
  const wanted = Number(/\d+/.exec(body.messages[0].content)[0]);
  const steps = body.messages.filter(({ role }) => role === 'assistant').length;
  const call = {
    index: 0,
    id: `call_${steps}`,
    type: 'function',
    function: { name: 'math-add', arguments: '{"n":1}' },
  };
  const delta = steps < wanted ? { role: 'assistant', tool_calls: [call] } : { role: 'assistant', content: 'done' };
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
  response.setHeader('content-type', 'text/event-stream');
  for (const choice of [
    { index: 0, delta },
    { index: 0, delta: {}, finish_reason: steps < wanted ? 'tool_calls' : 'stop' },
  ])
    response.write(`data: ${JSON.stringify({ ...chunk, choices: [choice] })}\n\n`);
  response.end('data: [DONE]\n\n');
}

const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const env = {
  PATH: process.env.PATH,
  HOME: home,
  CLLM_HOME: home,
  LITELLM_PROXY_URL: `http://127.0.0.1:${server.address().port}`,
  LITELLM_PROXY_API_KEY: 'sk-bench',
};
const flags = ['-q', '-m', 'm', '--mcp', 'math', '--allow', 'mcp:math/add', '--max-steps', '1000'];

async function timed(args) {
  const at = performance.now();
  const child = spawn(process.execPath, [path.join(root, 'dist/cli/bin.js'), ...args], { env, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cllm ended with exit code ${code}`);
  return performance.now() - at;
}

try {
  console.log(`| loop | ${lengths.map((length) => `${length} steps, ms`).join(' | ')} | ms a step |`);
  console.log(`|---|${lengths.map(() => '---').join('|')}|---|`);
  const figures = [];
  for (const { name, extra } of [
    { name: 'kept', extra: [] },
    { name: '--ephemeral', extra: ['--ephemeral'] },
  ]) {
    const times = lengths.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, length] of lengths.entries())
        times[at].push(await timed([...flags, ...extra, `${length} steps`]));
    }
    const medians = times.map((list) => list.toSorted((one, other) => one - other)[Math.floor(rounds / 2)]);
    const step = (medians.at(-1) - medians[0]) / lengths.at(-1);
    console.log(`| ${name} | ${medians.map((each) => each.toFixed(0)).join(' | ')} | ${step.toFixed(1)} |`);
    figures.push({
      name,
      step: step / medians[0],
      growth: exponent(
        lengths.slice(1),
        medians.slice(1).map((each) => each - medians[0]),
      ),
    });
  }
  console.log('');
  for (const { name, growth } of figures)
    if (!isSmoke)
      console.log(`the time of the steps grows with their number to the power of ${growth.toFixed(2)}: ${name}`);
  for (const { name, step } of figures)
    held(`a step of the loop over a run without one, ${name}`, step, 'at most', 0.25);
} finally {
  server.close();
  server.closeAllConnections();
  rmSync(home, { recursive: true });
}
