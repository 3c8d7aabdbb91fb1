import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import {
  installerEnvironment,
  namedVariables,
  proxyEnvironment,
  unnamedKeys,
} from '../../src/local-proxy/environment.ts';
import { launchCommand, loopbackName } from '../../src/local-proxy/launch.ts';
import { isAlive } from '../../src/local-proxy/machine.ts';
import { identifyChild } from '../../src/local-proxy/ownership.ts';
import { startProxy, stopProxy, type RunningProxy, type StartOptions } from '../../src/local-proxy/run.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { testMachine } from '../support/litellm-environment.ts';
import { gone, installFakeLitellm } from './fake-litellm.ts';

const temporary = useTemporaryDirectory();
const machine = testMachine();
let running: RunningProxy | null = null;

afterEach(async () => {
  await running?.stop();
  running = null;
});

async function start(behaviour: string, options: Partial<StartOptions> = {}): Promise<RunningProxy> {
  const configFile = join(temporary(), 'config.yaml');
  writeFileSync(configFile, `# ${behaviour}\n`);
  running = await startProxy({
    machine,
    installation: installFakeLitellm(temporary()),
    configFile,
    logFile: join(temporary(), 'litellm.log'),
    grace: 0.2,
    ...options,
  });
  return running;
}

function logged(name: string): string {
  const file = join(temporary(), 'litellm.log');
  const log = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return new RegExp(`^${name}: (.*)$`, 'm').exec(log)?.[1] ?? '';
}

test('a proxy answers on loopback, on a free port, with a random key', async () => {
  const proxy = await start('plain');
  expect(proxy).toMatchObject({ baseUrl: `http://127.0.0.1:${proxy.port}`, version: '1.108.7' });
  expect(proxy.masterKey).toMatch(/^sk-[0-9a-f]{48}$/);
  expect(logged('arguments')).toBe(
    `--config ${join(temporary(), 'config.yaml')} --host 127.0.0.1 --port ${proxy.port}`,
  );
  expect(logged('cost map')).toBe('True');
  expect(readFileSync(proxy.logFile, 'utf8')).not.toContain(proxy.masterKey);
  expect(statSync(proxy.logFile).mode & 0o777).toBe(0o600);
});

test('it takes the port and the key that it is given, and is warmed up by one request', async () => {
  const { port } = await start('plain');
  await running?.stop();
  const proxy = await start('plain', { port, masterKey: 'sk-given', warmUpModel: 'hello' });
  expect(proxy).toMatchObject({ port, masterKey: 'sk-given' });
  expect(readFileSync(proxy.logFile, 'utf8')).toContain('asked: POST /v1/chat/completions');
});

test('to stop it ends the whole group, also what ignores SIGTERM', async () => {
  const proxy = await start('stubborn');
  const worker = Number(logged('worker'));
  expect(isAlive(machine, worker)).toBe(true);
  await proxy.stop();
  await gone(proxy.processId);
  await gone(worker);
  await proxy.stop();
});

test('one that ends at its start is an error with its last exception, without a key in it, and where its log is', async () => {
  await expect(start('crash')).rejects.toMatchObject({
    code: 'local_proxy_failed',
    message: expect.stringMatching(/it ended with 3: ValueError: the key sk-… is no good/),
    hint: expect.stringContaining('litellm.log'),
  });
});

test.each([
  ['deaf and stubborn', 'no answer within 1 s'],
  ['foreign and stubborn', 'it answers, but not to its master key, within 1 s'],
])('one that is %s is an error, and nothing is left running', async (behaviour, message) => {
  await expect(start(behaviour, { startTimeout: 1 })).rejects.toMatchObject({
    message: expect.stringContaining(message),
  });
  await gone(Number(logged('worker')));
});

test('a program that is missing is an error', async () => {
  const installation = { ...installFakeLitellm(temporary()), program: join(temporary(), 'nothing') };
  await expect(start('plain', { installation })).rejects.toMatchObject({ code: 'local_proxy_failed' });
});

test('an abort while it starts ends it', async () => {
  const abort = new AbortController();
  const pending = start('deaf and stubborn', { signal: abort.signal });
  while (logged('worker') === '') await wait(20);
  abort.abort();
  await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
  await gone(Number(logged('worker')));
});

test('it ends with the process that started it, even when that one is killed', async () => {
  const parentFile = join(temporary(), 'parent.mjs');
  const installation = installFakeLitellm(temporary());
  const configFile = join(temporary(), 'config.yaml');
  writeFileSync(configFile, '# stubborn\n');
  await build({
    stdin: {
      contents: `
        import { startProxy } from './src/local-proxy/run.ts';
        import { testMachine } from './__tests__/support/litellm-environment.ts';
        const proxy = await startProxy({ ...${JSON.stringify({ installation, configFile, grace: 0.2 })},
          machine: testMachine(), logFile: ${JSON.stringify(join(temporary(), 'litellm.log'))} });
        console.log(proxy.processId);
        setInterval(() => {}, 1000);`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: parentFile,
    logLevel: 'error',
  });
  const parent = spawn(process.execPath, [parentFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    const processId = Number(line);
    expect(isAlive(machine, processId)).toBe(true);
    parent.kill('SIGKILL');
    await gone(processId);
    await gone(Number(logged('worker')));
  } finally {
    parent.kill('SIGKILL');
  }
});

test.each([
  ['linux', '--network host', '127.0.0.1', '127.0.0.1'],
  ['darwin', '--publish 127.0.0.1:4321:4321', '0.0.0.0', 'host.docker.internal'],
])(
  'as a container on %s it is reached on loopback only, and secrets are no arguments',
  async (platform, network, host, name) => {
    const configFile = join(temporary(), 'config.yaml');
    writeFileSync(configFile, 'api_key: os.environ/OPENAI_API_KEY\nother: os.environ/OPENAI_API_KEY\n');
    const installation = { method: 'docker' as const, version: '1.108.7', image: 'ghcr.io/berriai/litellm:v1.108.7' };
    const launch = launchCommand(installation, {
      configFile,
      port: 4321,
      platform,
      named: await namedVariables(configFile),
      nonce: 'cafe',
    });
    expect([launch.program, ...launch.arguments].join(' ')).toBe(
      `docker run --rm --name cllm-litellm-4321-cafe ${network} ` +
        '--env LITELLM_MASTER_KEY --env LITELLM_LOCAL_MODEL_COST_MAP --env LITELLM_ENABLE_MCP_STDIO --env OPENAI_API_KEY ' +
        `--volume ${temporary()}:${temporary()}:ro ghcr.io/berriai/litellm:v1.108.7 ` +
        `--config ${configFile} --host ${host} --port 4321`,
    );
    expect(launch.forceStop).toEqual(['docker', 'rm', '--force', 'cllm-litellm-4321-cafe']);
    expect(loopbackName(installation, platform)).toBe(name);
  },
);

test('LiteLLM gets what its configuration names, and of the keys at hand no other one', async () => {
  const configFile = join(temporary(), 'config.yaml');
  writeFileSync(
    configFile,
    'include:\n  - more.yaml\nkey: os.environ/NAMED_KEY\nteam: os.environ/LITELLM_PROXY_API_KEY\n',
  );
  writeFileSync(join(temporary(), 'more.yaml'), 'key: os.environ/INCLUDED_KEY\n');
  const keys = {
    NAMED_KEY: 'a',
    INCLUDED_KEY: 'b',
    OPENAI_API_KEY: 'c',
    LITELLM_PROXY_API_KEY: 'd',
    DATABASE_URL: 'e',
  };
  const named = await namedVariables(configFile);
  expect(proxyEnvironment({ ...keys, PATH: '/bin' }, named)).toEqual({
    PATH: '/bin',
    NAMED_KEY: 'a',
    INCLUDED_KEY: 'b',
  });
  const stdio = { LITELLM_ENABLE_MCP_STDIO: 'true' };
  expect(proxyEnvironment(stdio, [])).toEqual(stdio);
  expect(unnamedKeys(keys, named)).toEqual(['OPENAI_API_KEY']);
  expect(installerEnvironment(keys)).toEqual({});
});

test('its key is not sent to another program that took its port', async () => {
  const sent: (string | undefined)[] = [];
  const stranger = createServer((request, response) => {
    sent.push(request.headers.authorization);
    response.end('{"litellm_version":"1.108.7"}');
  });
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const { port } = stranger.address() as AddressInfo;
  try {
    await expect(start('deaf', { port, startTimeout: 0.5 })).rejects.toMatchObject({
      message: expect.stringContaining('another program answers on its port'),
    });
    expect(new Set(sent)).toEqual(new Set([undefined]));
  } finally {
    stranger.close();
    stranger.closeAllConnections();
  }
});

test('to stop it again, when its id is another program’s, ends nothing', async () => {
  const stranger = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const processId = stranger.pid as number;
  try {
    const launch = { program: 'x', arguments: [], forceStop: null };
    const { startedAt, realm } = identifyChild(machine, processId);
    for (const identity of [
      { pid: processId, realm, startedAt: '1' },
      { pid: processId, realm: 'another host', startedAt },
      { pid: processId, realm: realm.replace(/ \S+ /, ' an-earlier-boot '), startedAt },
    ]) {
      await stopProxy(machine, identity, launch, 0.1);
      expect(isAlive(machine, processId)).toBe(true);
    }
    await stopProxy(machine, { pid: processId, realm, startedAt }, launch, 0.5);
    await gone(-processId);
  } finally {
    stranger.kill('SIGKILL');
  }
});
