import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { defaultConfig, keylessModel } from '../../src/local-proxy/default-config.ts';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { bringUp, readLog, serviceStatus, takeDown, type BringUpOptions } from '../../src/local-proxy/service.ts';
import { testMachine } from '../support/litellm-environment.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { gone, installFakeLitellm } from './fake-litellm.ts';

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
  expect(service).toMatchObject({ isNew: true, model: 'hello', version: '1.104.2', method: 'venv' });
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

test('one that does not answer is told apart from a stranger with its process id', async () => {
  const configFile = join(temporary(), 'config.yaml');
  writeFileSync(configFile, '# plain\n');
  const service = await up({ configFile });
  const file = join(temporary(), 'proxy.json');
  const state = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...state, masterKey: 'sk-other' }));
  expect((await status()).status).toBe('unresponsive');
  writeFileSync(file, JSON.stringify({ ...state, masterKey: 'sk-other', processId: process.pid }));
  expect((await status()).status).toBe('stopped');
  writeFileSync(file, JSON.stringify(state));
  expect(service.isNew).toBe(true);
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
