import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isAlive } from '../../src/local-proxy/machine.ts';
import type { Installation } from '../../src/local-proxy/provision.ts';
import { litellmRelease } from '../../src/local-proxy/release.ts';
import { testMachine } from '../support/litellm-environment.ts';

/**
 * A program in the place of `litellm` that answers as far as run.ts asks. The configuration's text says how it behaves:
 * `stubborn` (ignores SIGTERM, and so does a worker of it), `crash`, `deaf` (never listens), `foreign` (does not know the key).
 */
const program = `#!${process.execPath}
const http = require('node:http');
const { readFileSync, writeFileSync } = require('node:fs');
const { spawn } = require('node:child_process');
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const config = readFileSync(flag('--config'), 'utf8');
console.log('arguments: ' + process.argv.slice(2).join(' '));
console.log('cost map: ' + process.env.LITELLM_LOCAL_MODEL_COST_MAP);
if (config.includes('crash')) {
  console.error('Traceback (most recent call last):\\nValueError: the key sk-secret123 is no good: mind it');
  process.exit(3);
}
process.on('SIGTERM', () => config.includes('stubborn') || process.exit(0));
if (config.includes('stubborn')) {
  const worker = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
  console.log('worker: ' + worker.pid);
}
if (!config.includes('deaf')) http.createServer((request, response) => {
  const known = !config.includes('foreign') && request.headers.authorization === 'Bearer ' + process.env.LITELLM_MASTER_KEY;
  if (request.url === '/health/liveliness') return response.end('"I\\'m alive!"');
  response.statusCode = known ? 200 : 401;
  console.log('asked: ' + request.method + ' ' + request.url);
  response.end(JSON.stringify(known ? { litellm_version: '1.108.7' } : {}));
}).listen(Number(flag('--port')), flag('--host'));
else setInterval(() => {}, 1000);
`;

/** Puts the program where an installation in this directory has it, with the stamp that makes it found. */
export function installFakeLitellm(directory: string): Installation {
  const bin = join(directory, 'venv', 'bin');
  mkdirSync(bin, { recursive: true });
  for (const name of ['litellm', 'python']) {
    writeFileSync(join(bin, name), program);
    chmodSync(join(bin, name), 0o755);
  }
  const { requirements } = litellmRelease();
  writeFileSync(join(directory, 'installed.json'), JSON.stringify({ method: 'venv', directory, requirements }));
  return { method: 'venv', version: '1.108.7', python: join(bin, 'python'), program: join(bin, 'litellm') };
}

/** Waits until a process, or a group (a negative id), is gone. */
export async function gone(processId: number): Promise<void> {
  for (const deadline = AbortSignal.timeout(4_000); isAlive(testMachine(), processId); await wait(20)) {
    if (deadline.aborted) throw new Error(`process ${processId} is still there`);
  }
}
