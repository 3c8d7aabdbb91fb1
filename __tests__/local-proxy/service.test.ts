import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { defaultConfig, keylessModel } from '../../src/local-proxy/default-config.ts';
import { isAlive } from '../../src/local-proxy/machine.ts';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { bringUp, readLog, serviceStatus, takeDown, type BringUpOptions } from '../../src/local-proxy/service.ts';
import { testMachine } from '../support/litellm-environment.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { gone, installFakeLitellm } from './fake-litellm.ts';
import { FakeMachine } from './machine.ts';

const machine = testMachine();

// Before the directory with its state goes: these hooks run in the order in which they are named.
afterEach(() => takeDown({ machine, directory: temporary() }));
const temporary = useTemporaryDirectory();

beforeEach(() => {
  installFakeLitellm(temporary());
});

async function up(options: Partial<BringUpOptions> = {}) {
  // Port 4000 may be somebody's.
  const port = options.port ?? (await freePort());
  return bringUp({ machine, directory: temporary(), report: () => undefined, port, ...options });
}

function status() {
  return serviceStatus({ machine, directory: temporary() });
}

test('up starts a proxy with a keyless model that goes on by itself, and down ends it', async () => {
  const service = await up();
  expect(service).toMatchObject({ isNew: true, model: 'hello', version: '1.108.7', method: 'venv' });
  expect(await status()).toMatchObject({ status: 'running', service: { baseUrl: service.baseUrl } });
  expect(await takeDown({ machine, directory: temporary() })).toBe(true);
  await gone(service.processId);
  expect(await status()).toEqual({ status: 'stopped', service: null });
  expect(await takeDown({ machine, directory: temporary() })).toBe(false);
});

test('up again leaves it as it is', async () => {
  const first = await up();
  const { port } = first;
  expect(await up({ port })).toMatchObject({ isNew: false, processId: first.processId, masterKey: first.masterKey });
});

test.each([
  ['', 1],
  ['true', 0],
])('MCP servers over stdio with LITELLM_ENABLE_MCP_STDIO=%j are told of %i times', async (value, times) => {
  const configFile = join(temporary(), 'mcp.yaml');
  writeFileSync(configFile, 'mcp_servers:\n  notes:\n    transport: stdio\n    command: node\n');
  const notes: string[] = [];
  await up({
    configFile,
    machine: { ...machine, environment: { ...machine.environment, LITELLM_ENABLE_MCP_STDIO: value } },
    report: ({ type, message }) => void (type === 'note' && notes.push(message)),
  });
  expect(notes.filter((note) => note.includes('LITELLM_ENABLE_MCP_STDIO=true cllm proxy up'))).toHaveLength(times);
});

test('two at once start one', async () => {
  const port = await freePort();
  const services = await Promise.all([up({ port }), up({ port })]);
  expect(services.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect(services[0]?.processId).toBe(services[1]?.processId);
});

test('up with another configuration while it runs says to stop it first', async () => {
  const { port } = await up();
  const configFile = join(temporary(), 'other.yaml');
  writeFileSync(configFile, '# other\n');
  await expect(up({ port, configFile })).rejects.toMatchObject({
    name: 'UsageError',
    hint: expect.stringContaining('cllm proxy down'),
  });
});

test("its state and its default configuration are their owner's alone", async () => {
  await up();
  for (const file of ['proxy.json', 'litellm-config.yaml', 'litellm.log']) {
    expect(statSync(join(temporary(), file)).mode & 0o777).toBe(0o600);
  }
});

test('a default configuration that was changed stays', async () => {
  const file = join(temporary(), 'litellm-config.yaml');
  writeFileSync(file, '# mine\n');
  await up();
  expect(readFileSync(file, 'utf8')).toBe('# mine\n');
});

test('the key that is given is used', async () => {
  expect(await up({ masterKey: 'sk-kept' })).toMatchObject({ masterKey: 'sk-kept' });
});

test('one that died is seen as stopped, and up starts another', async () => {
  const first = await up();
  process.kill(-first.processId, 'SIGKILL');
  await gone(-first.processId);
  expect((await status()).status).toBe('stopped');
  expect(await up()).toMatchObject({ isNew: true });
});

function changeState(changes: Record<string, unknown>): void {
  const file = join(temporary(), 'proxy.json');
  const state = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...state, ...changes }), { mode: 0o600 });
}

test('one that does not answer is told apart from a stranger with its process id', async () => {
  const { processId, masterKey, identity } = await up();
  changeState({ masterKey: 'sk-other' });
  expect((await status()).status).toBe('unresponsive');
  changeState({ processId: process.pid, identity: { ...identity, pid: process.pid } });
  expect((await status()).status).toBe('stopped');
  changeState({ processId, identity: null });
  expect((await status()).status).toBe('stopped');
  changeState({ masterKey, identity });
  expect((await status()).status).toBe('running');
});

/** A LiteLLM without a master key, which takes every key: somebody's own on the port that ours had. */
async function startKeyless(): Promise<{ port: number; sent: Set<string | undefined>; close: () => void }> {
  const sent = new Set<string | undefined>();
  const server = createServer((request, response) => {
    sent.add(request.headers.authorization);
    response.end('{"litellm_version":"1.108.7"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, sent, close };
}

test('after a restart neither the key goes to who has its port, nor a signal to who has its id', async () => {
  const keyless = await startKeyless();
  const stranger = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  try {
    const { identity } = await up();
    await takeDown({ machine, directory: temporary() });
    for (const left of [null, { ...identity, pid: stranger.pid }]) {
      writeStaleState({ processId: stranger.pid, identity: left, port: keyless.port });
      expect((await status()).status).toBe('stopped');
      expect(await takeDown({ machine, directory: temporary() })).toBe(false);
    }
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    expect(isAlive(machine, stranger.pid as number)).toBe(true);
    expect(keyless.sent).toEqual(new Set());
  } finally {
    stranger.kill('SIGKILL');
    keyless.close();
  }
});

function writeStaleState(changes: Record<string, unknown>): void {
  const port = Number(changes['port'] ?? 4321);
  const state = {
    baseUrl: `http://127.0.0.1:${port}`,
    masterKey: 'sk-master',
    version: '1.108.7',
    method: 'venv',
    configFile: join(temporary(), 'config.yaml'),
    logFile: join(temporary(), 'litellm.log'),
    processId: 999_999,
    identity: null,
    port,
    launch: { program: 'x', arguments: [], forceStop: null },
    startedAt: 'then',
    ...changes,
  };
  writeFileSync(join(temporary(), 'proxy.json'), JSON.stringify(state), { mode: 0o600 });
}

test('a container is removed though its client is gone', async () => {
  const programs = new FakeMachine(temporary());
  programs.program('docker', 'case "$1" in container) echo true ;; esac');
  const launch = { program: 'docker', arguments: [], forceStop: ['docker', 'rm', '--force', 'cllm-litellm-4321-cafe'] };
  for (const identity of [null, { pid: 999_999, startedAt: '1', realm: 'gone' }]) {
    writeStaleState({ method: 'docker', launch, identity });
    expect(await takeDown({ machine: programs, directory: temporary() })).toBe(true);
  }
  expect(programs.calls('docker').filter((call) => call === 'docker rm --force cllm-litellm-4321-cafe')).toHaveLength(
    2,
  );
});

test.each<[string, Record<string, unknown>]>([
  ['the id of the whole machine', { processId: 1 }],
  ['the id of our own group', { processId: 0 }],
  ['a negative id', { processId: -5 }],
  ['a text for an id', { processId: '7; echo' }],
  ['no id', { processId: undefined }],
  ['a fraction', { processId: 7.5 }],
  ['no configuration', { configFile: '' }],
  ['another address', { baseUrl: 'http://evil.test:4321' }],
  ['another port in its address', { baseUrl: 'http://127.0.0.1:1' }],
  ['a command of its own', { launch: { program: 'x', arguments: [], forceStop: ['sh', '-c', 'true'] } }],
  [
    'a flag in the name of a container',
    { launch: { program: 'x', arguments: [], forceStop: ['docker', 'rm', '-f', 'x'] } },
  ],
])('a state file with %s is refused, and nothing is signalled', async (_name, changes) => {
  const signals: unknown[] = [];
  const watched = { ...machine, kill: (...signal: unknown[]) => void signals.push(signal) };
  writeStaleState(changes);
  await expect(takeDown({ machine: watched, directory: temporary() })).rejects.toMatchObject({
    code: 'local_proxy_failed',
    hint: expect.stringContaining('remove it'),
  });
  expect(signals).toEqual([]);
  rmSync(join(temporary(), 'proxy.json'));
});

test('a state file that is a link, or that others may write, is not obeyed', async () => {
  writeStaleState({});
  renameSync(join(temporary(), 'proxy.json'), join(temporary(), 'elsewhere.json'));
  symlinkSync('elsewhere.json', join(temporary(), 'proxy.json'));
  await expect(status()).rejects.toMatchObject({ code: 'local_proxy_failed' });
  rmSync(join(temporary(), 'proxy.json'));
  writeStaleState({});
  chmodSync(join(temporary(), 'proxy.json'), 0o666);
  await expect(status()).rejects.toMatchObject({ code: 'local_proxy_failed' });
  rmSync(join(temporary(), 'proxy.json'));
});

test('a key that is at hand and that the configuration does not name is said to be withheld', async () => {
  const configFile = join(temporary(), 'mine.yaml');
  writeFileSync(configFile, '# key: os.environ/NAMED_API_KEY\n');
  const notes: string[] = [];
  const environment = { ...machine.environment, OTHER_API_KEY: 'x', NAMED_API_KEY: 'y' };
  await up({
    configFile,
    machine: { ...machine, environment },
    report: ({ type, message }) => void (type === 'note' && notes.push(message)),
  });
  expect(notes.join()).toContain('OTHER_API_KEY');
  expect(notes.join()).not.toContain('NAMED_API_KEY');
});

test('the log is read from its end', async () => {
  await up();
  writeFileSync(join(temporary(), 'litellm.log'), 'one\ntwo\nthree\n');
  expect(await readLog({ machine, directory: temporary() }, 2)).toBe('two\nthree\n');
});

test('without a log there is nothing to read', async () => {
  expect(await readLog({ machine, directory: temporary() })).toBe('');
});

test('the default configuration has the keyless model and no key', () => {
  const config = parse(defaultConfig) as { model_list: { model_name: string }[]; general_settings: unknown };
  expect(config.model_list.map((model) => model.model_name)).toEqual([keylessModel]);
  expect(config.general_settings).toEqual({ master_key: 'os.environ/LITELLM_MASTER_KEY' });
});
