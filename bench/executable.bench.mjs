/**
 * The single executable beside the command of the npm package: start-up, a whole short reply that is saved, and size.
 *
 *   npm run build && node bench/executable.bench.mjs [--smoke]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const pairs = process.argv.includes('--smoke') ? 2 : 40;
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const executable = path.join(folder, 'cllm');
mkdirSync(path.join(folder, 'work'));

const event = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`${event({ role: 'assistant', content: 'Hello.' })}${event({}, 'stop')}data: [DONE]\n\n`);
  });
});

try {
  execFileSync(process.execPath, [path.join(root, 'scripts/build-executable.mjs'), executable], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = {
    PATH: '/nowhere',
    HOME: folder,
    CLLM_MODEL: 'm',
    LITELLM_PROXY_URL: `http://127.0.0.1:${server.address().port}`,
  };
  const timed = async (command) => {
    const beganAt = performance.now();
    const child = spawn(command[0], command.slice(1), { env, cwd: path.join(folder, 'work'), stdio: 'ignore' });
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
    return performance.now() - beganAt;
  };
  const contenders = {
    'npm package': [process.execPath, path.join(root, 'dist/cli/bin.js')],
    'one executable': [executable],
  };
  console.log('median of interleaved runs in ms, and as multiples of node -e 0 (median of pairs)');
  for (const [name, args] of Object.entries({ '--version': ['--version'], 'a short reply, saved': ['-q', 'hi'] })) {
    const times = { 'node -e 0': [], 'npm package': [], 'one executable': [] };
    for (const command of Object.values(contenders)) await timed([...command, ...args]);
    for (let pair = 0; pair < pairs; pair += 1) {
      times['node -e 0'].push(await timed([process.execPath, '-e', '0']));
      for (const [contender, command] of Object.entries(contenders))
        times[contender].push(await timed([...command, ...args]));
    }
    console.log(`${name}:`);
    for (const [contender, figures] of Object.entries(times)) {
      const ratio = median(figures.map((figure, at) => figure / times['node -e 0'][at]));
      console.log(`  ${contender.padEnd(16)} ${median(figures).toFixed(0).padStart(4)} ms  ${ratio.toFixed(2)} ×`);
    }
  }
  const { size } = statSync(executable);
  console.log(
    `size: one executable ${megabytes(size)}, gzipped ${megabytes(gzipSync(readFileSync(executable)).length)}`,
  );
  console.log(
    `      npm package    ${megabytes(sizeOf(path.join(root, 'dist')))} with SQLite for 8 platforms, beside Node ${megabytes(statSync(process.execPath).size)}`,
  );
} finally {
  server.close();
  rmSync(folder, { recursive: true, force: true });
}

function median(figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function sizeOf(place) {
  return readdirSync(place, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
