/**
 * How long the built command lives after its last byte, however it ends: milliseconds from the last data on standard
 * output or error to the exit of the process. A run that never exits costs a CI job its limit.
 *
 *   npm run build && node bench/process-end.bench.mjs [--smoke]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const runs = process.argv.includes('--smoke') ? 1 : 15;
const bin = fileURLToPath(new URL('../dist/cli/bin.js', import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));

const event = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    if (request.headers['x-refuse']) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'no', type: 'auth_error', code: '401' } }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ role: 'assistant', content: 'Hello' }));
    if (request.headers['x-stall']) return;
    response.end(`${event({ content: '.' })}${event({}, 'stop')}data: [DONE]\n\n`);
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const cases = {
  'text, saved': ['-q', 'hi'],
  'text, receipt': ['hi'],
  'text, --ephemeral': ['-q', '--ephemeral', 'hi'],
  'stream-json': ['--output-format', 'stream-json', 'hi'],
  'json --no-stream': ['--output-format', 'json', '--no-stream', 'hi'],
  401: ['--header', 'x-refuse: 1', 'hi'],
  'a usage error': ['--foo'],
  SIGINT: ['-q', '--header', 'x-stall: 1', 'hi'],
};

function run(args, signal) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: home,
      env: {
        PATH: process.env.PATH,
        HOME: home,
        CLLM_HOME: home,
        CLLM_MODEL: 'm',
        LITELLM_PROXY_API_KEY: 'sk-x',
        LITELLM_PROXY_URL: `http://127.0.0.1:${server.address().port}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let last = 0;
    const seen = () => {
      last = performance.now();
      if (signal) child.kill(signal);
    };
    child.stdout.on('data', seen);
    child.stderr.on('data', seen);
    child.on('exit', () => {
      const at = performance.now();
      child.on('close', () => resolve(Math.max(0, at - last)));
    });
  });
}

for (const [name, args] of Object.entries(cases)) {
  const times = [];
  for (let each = 0; each < runs; each += 1) times.push(await run(args, name === 'SIGINT' ? 'SIGINT' : null));
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1).padStart(7);
  console.log(`${name.padEnd(20)} median ${at(0.5)} ms  p95 ${at(0.95)} ms  longest ${at(1)} ms`);
}
server.closeAllConnections();
server.close();
rmSync(home, { recursive: true, force: true });
