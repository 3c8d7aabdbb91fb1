import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { programPath } from './programs.ts';

export interface Server {
  readonly baseUrl: string;
  readonly port: number;
  close(): Promise<void>;
}

/** The repository's nginx/litellm.conf, in front of these servers and on this port. */
export function repositoryConfig(servers: readonly number[], port: number): string {
  const upstreams = servers.map((each) => `server 127.0.0.1:${each};`).join(' ');
  return readFileSync('nginx/litellm.conf', 'utf8')
    .replace('server litellm:4000;', upstreams)
    .replace('listen 80;', `listen 127.0.0.1:${port};`);
}

/** What nginx does by itself, where nobody told it of event streams: the upstream's wish not to buffer is ignored. */
export function bufferingConfig(upstream: number, port: number): string {
  return `server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_ignore_headers X-Accel-Buffering;
    }
  }`;
}

/** A real nginx with the given content of its `http` block. */
export async function startNginx(configOf: (port: number) => string): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'cllm-nginx-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  const file = join(directory, 'nginx.conf');
  // A single process: a worker of another user could not enter the directory.
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
     events {} http { access_log off; ${temporary.join(' ')}\n${configOf(port)}\n}`,
  );
  const child = spawn('nginx', ['-p', directory, '-c', file, '-e', `${directory}/error.log`], {
    env: { PATH: programPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const close = async (): Promise<void> => {
    await stop(child);
    rmSync(directory, { recursive: true, force: true });
  };
  await listening(child, port, close);
  return { baseUrl: `http://127.0.0.1:${port}`, port, close };
}

/** A Redis that keeps nothing, with room for a database a test. */
export async function startRedis(options: readonly string[] = []): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'cllm-redis-'));
  const port = await freePort();
  const child = spawn(
    'redis-server',
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      directory,
      '--databases',
      '1000',
      ...options,
    ],
    { env: { PATH: programPath }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const close = async (): Promise<void> => {
    await stop(child);
    rmSync(directory, { recursive: true, force: true });
  };
  await listening(child, port, close);
  return { baseUrl: `redis://127.0.0.1:${port}`, port, close };
}

/** Waits until a server that was started answers on its port; else it is closed, with what it said. */
export async function listening(child: ChildProcess, port: number, close: () => Promise<void>): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  for (const deadline = AbortSignal.timeout(20_000); !(await answers(port)); await wait(20)) {
    if (child.exitCode === null && !deadline.aborted) continue;
    await close();
    throw new Error(`${child.spawnfile} does not listen: ${said}`);
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
