import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { provisionLiteLLM, type ProvisionMethod, type ProvisionReport } from '../../src/local-proxy/provision.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { FakeMachine, fakePython } from './machine.ts';

const engineAnswers = 'case "$1" in version) echo 28.2.2 ;; pull) echo "Pulling from berriai/litellm" ;; esac';
const engineIsDown = 'echo "Cannot connect to the Docker daemon"; exit 1';

const temporary = useTemporaryDirectory();
let machine: FakeMachine;
let reports: ProvisionReport[];

beforeEach(() => {
  machine = new FakeMachine(temporary());
  reports = [];
});

function provision(options: { method?: ProvisionMethod; version?: string } = {}) {
  const directory = join(temporary(), 'litellm');
  return provisionLiteLLM({ machine, directory, report: (report) => reports.push(report), ...options });
}

/** How an installer is told what to install: every package by its hashes, and none that runs code to be set up. */
function locked(): string {
  return `--require-hashes --only-binary :all: -r ${join(temporary(), 'litellm', 'requirements.txt')}`;
}

describe('the way in which LiteLLM is installed', () => {
  test('is Docker when an engine answers', async () => {
    machine.program('docker', engineAnswers);
    machine.program('python3', fakePython('3.12'));
    expect(await provision()).toEqual({
      method: 'docker',
      version: '1.108.7',
      image: 'ghcr.io/berriai/litellm:v1.108.7',
    });
    expect(machine.calls('docker', 'python3', 'pip')).toEqual([
      'docker version --format {{.Server.Version}}',
      'docker pull ghcr.io/berriai/litellm:v1.108.7',
      'docker image inspect --format {{index .RepoDigests 0}} ghcr.io/berriai/litellm:v1.108.7',
    ]);
  });

  test('is uv when the docker client has no engine', async () => {
    machine.program('docker', engineIsDown);
    machine.program(
      'uv',
      'case "$1" in venv) for venv in "$@"; do :; done; mkdir -p "$venv/bin"; echo > "$venv/bin/python"; echo > "$venv/bin/litellm" ;; esac',
    );
    machine.program('python3', fakePython('3.12'));
    const venv = join(temporary(), 'litellm', 'venv');
    expect(await provision()).toEqual({
      method: 'uv',
      version: '1.108.7',
      python: join(venv, 'bin', 'python'),
      program: join(venv, 'bin', 'litellm'),
    });
    expect(machine.calls('uv', 'python3')).toEqual([
      'uv --version',
      `uv venv --no-project --python >=3.10,<3.15 ${venv}`,
      `uv pip install --python ${venv}/bin/python ${locked()}`,
    ]);
  });

  test("is Python's own venv and pip when there is neither", async () => {
    machine.program('python3', fakePython('3.12'));
    expect(await provision()).toMatchObject({ method: 'venv', version: '1.108.7' });
    expect(machine.calls('pip')).toEqual([
      `pip -m pip --disable-pip-version-check --no-input install --progress-bar off ${locked()}`,
    ]);
  });

  test('passes over a Python that is too old, too new or cannot make environments', async () => {
    machine.program('python3', fakePython('3.9'));
    machine.program('python3.14', fakePython('3.15'));
    machine.program('python3.13', 'echo "No module named ensurepip"; exit 1');
    machine.program('python3.12', fakePython('3.12'));
    expect(await provision()).toMatchObject({ method: 'venv' });
  });

  test('is Python when the image cannot be pulled', async () => {
    machine.program('docker', 'case "$1" in version) echo 28 ;; *) echo denied; exit 1 ;; esac');
    machine.program('python3', fakePython('3.11'));
    expect(await provision()).toMatchObject({ method: 'venv' });
  });

  test('is the one asked for', async () => {
    machine.program('docker', engineAnswers);
    machine.program('python3', fakePython('3.12'));
    expect(await provision({ method: 'venv' })).toMatchObject({ method: 'venv' });
    expect(machine.calls('docker')).toEqual([]);
  });

  test('is none on a machine with neither Docker nor a fitting Python, and the error names what to install', async () => {
    machine.program('docker', engineIsDown);
    machine.program('python3', fakePython('3.9'));
    await expect(provision()).rejects.toMatchObject({
      code: 'local_proxy_unavailable',
      message: expect.stringContaining('no Python 3.10'),
      hint: expect.stringContaining('python3-venv'),
    });
  });
});

test('says what it will install and how large it is before it fetches anything', async () => {
  machine.program('python3', fakePython('3.12'));
  const pending = provision();
  await pending;
  expect(reports.map(({ type }) => type)).toEqual(['plan', 'progress', 'done']);
  expect(reports[0]?.message).toMatch(/litellm\[proxy\]==1\.108\.7 and prisma==0\.15\.0 with pip into .* 0\.7 GB/);
});

test('what is there is reused without a word', async () => {
  machine.program('python3', fakePython('3.12'));
  const first = await provision();
  reports.length = 0;
  const calls = machine.calls('python3', 'pip').length;
  expect(await provision()).toEqual(first);
  expect(machine.calls('python3', 'pip')).toHaveLength(calls);
  expect(reports).toEqual([]);
});

test('an image that was removed since is pulled again', async () => {
  machine.program('docker', engineAnswers);
  await provision();
  machine.program('docker', 'case "$1" in version) echo 28 ;; image) exit 1 ;; esac');
  await provision();
  expect(machine.calls('docker').filter((call) => call.startsWith('docker pull'))).toHaveLength(2);
});

test('an installation that failed leaves no stamp and starts over', async () => {
  machine.program('python3', fakePython('3.12'));
  writeFileSync(join(temporary(), 'no-network'), '');
  await expect(provision()).rejects.toMatchObject({
    code: 'local_proxy_failed',
    message: expect.stringContaining('Could not find a version'),
    hint: expect.stringContaining('run it again'),
  });
  expect(readdirSync(join(temporary(), 'litellm'))).toEqual(['requirements.txt', 'venv']);
  // Half of what an interrupted pip leaves behind.
  writeFileSync(join(temporary(), 'litellm', 'venv', 'half'), '');
  rmSync(join(temporary(), 'no-network'));
  await provision();
  expect(existsSync(join(temporary(), 'litellm', 'venv', 'half'))).toBe(false);
});

test.each([
  ['its program is gone', (directory: string) => rmSync(join(directory, 'venv', 'bin', 'litellm'))],
  ['its stamp is damaged', (directory: string) => writeFileSync(join(directory, 'installed.json'), '{"method":')],
  [
    'its stamp names another version',
    (directory: string) => {
      const stamp = readFileSync(join(directory, 'installed.json'), 'utf8');
      writeFileSync(join(directory, 'installed.json'), stamp.replace('1.108.7', '1.104.1'));
    },
  ],
  [
    'it was moved here from another place',
    (directory: string) => {
      const stamp = readFileSync(join(directory, 'installed.json'), 'utf8');
      writeFileSync(join(directory, 'installed.json'), stamp.replace(directory, '/elsewhere'));
    },
  ],
])('an installation is made anew when %s', async (_what, spoil) => {
  machine.program('python3', fakePython('3.12'));
  await provision();
  spoil(join(temporary(), 'litellm'));
  await provision();
  expect(machine.calls('pip')).toHaveLength(2);
});

test('two at once install once', async () => {
  machine.program('python3', fakePython('3.12'));
  const [first, second] = await Promise.all([provision(), provision()]);
  expect(first).toEqual(second);
  expect(machine.calls('pip')).toHaveLength(1);
});

test.each([
  ['a process that died', '4194304999'],
  ['nobody', ''],
])('a lock left by %s is taken over', async (_whom, content) => {
  machine.program('python3', fakePython('3.12'));
  const directory = join(temporary(), 'litellm');
  await provision();
  rmSync(join(directory, 'installed.json'));
  writeFileSync(join(directory, 'lock'), content);
  await provision();
  expect(existsSync(join(directory, 'lock'))).toBe(false);
});

test.each(['1.82.7', '1.82.8', '1.107.0', '1.84.2', '1.20.0', 'latest', '1.104'])(
  'never installs %s',
  async (version) => {
    machine.program('python3', fakePython('3.12'));
    await expect(provision({ version })).rejects.toMatchObject({ name: 'UsageError' });
    expect(machine.calls('python3', 'docker', 'uv')).toEqual([]);
  },
);

test.each(['1.108.7', '1.84.3', '1.104.2'])('installs %s when asked to', async (version) => {
  machine.program('python3', fakePython('3.12'));
  expect(await provision({ version })).toMatchObject({ version });
});

test('what is installed is each package with its exact version and its hashes', async () => {
  machine.program('python3', fakePython('3.12'));
  await provision();
  const lines = readFileSync(join(temporary(), 'litellm', 'requirements.txt'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(lines.length).toBeGreaterThan(100);
  expect(
    lines.filter((line) => !/^[a-z][\w.-]*==[\w.!+]+( ; .+?)?( --hash=sha256:[0-9a-f]{64})+$/i.test(line)),
  ).toEqual([]);
  for (const requirement of ['litellm==1.108.7 ', 'prisma==0.15.0 '])
    expect(lines.filter((line) => line.startsWith(requirement))).toHaveLength(1);
});

test('an image that was pulled is run by its digest from then on, wherever its tag leads', async () => {
  const digest = `ghcr.io/berriai/litellm@sha256:${'0'.repeat(64)}`;
  machine.program('docker', `case "$1$2" in version*) echo 28 ;; imageinspect) echo "${digest}" ;; esac`);
  expect(await provision()).toMatchObject({ image: digest });
  expect(await provision()).toMatchObject({ image: digest });
  expect(machine.calls('docker').at(-1)).toBe(`docker image inspect --format ok ${digest}`);
});

test.each(['evil.test/litellm@sha256:' + '0'.repeat(64), 'ghcr.io/berriai/litellm:v1 --privileged', ''])(
  'what the engine says of the digest is checked: %j',
  async (digest) => {
    machine.program('docker', `case "$1$2" in version*) echo 28 ;; imageinspect) echo "${digest}" ;; esac`);
    expect(await provision()).toMatchObject({ image: 'ghcr.io/berriai/litellm:v1.108.7' });
  },
);

test('no key of the environment reaches what installs LiteLLM', async () => {
  const secrets = {
    LITELLM_PROXY_API_KEY: 'sk-team',
    OPENAI_API_KEY: 'sk-openai',
    GITHUB_TOKEN: 'ghp',
    DATABASE_URL: 'x',
  };
  Object.assign(machine.environment, secrets, { HTTPS_PROXY: 'http://proxy.test', PIP_INDEX_URL: 'http://index.test' });
  const noted = join(temporary(), 'environment');
  const python = fakePython('3.12').replace('echo "Collecting litellm"', `/usr/bin/env >> ${noted}; echo "Collecting"`);
  machine.program('python3', `/usr/bin/env >> ${noted}\n${python}`);
  machine.program('docker', `/usr/bin/env >> ${noted}\nexit 1`);
  machine.program('uv', `/usr/bin/env >> ${noted}\nexit 1`);
  await provision();
  const environment = readFileSync(noted, 'utf8');
  for (const name of Object.keys(secrets)) expect(environment).not.toContain(`${name}=`);
  for (const name of ['PATH', 'HOME', 'HTTPS_PROXY', 'PIP_INDEX_URL']) expect(environment).toContain(`\n${name}=`);
  expect(environment.split('\nPATH=').length).toBeGreaterThan(4);
});

test('a lock that somebody holds is named, and the wait for it ends with the signal', async () => {
  const directory = join(temporary(), 'litellm');
  mkdirSync(directory);
  // Process 1 lives and is no cllm: what a process id alone says can not be told from a live one.
  writeFileSync(join(directory, 'lock'), '1');
  const controller = new AbortController();
  const report = (each: ProvisionReport): void => {
    reports.push(each);
    controller.abort(new Error('stopped'));
  };
  await expect(provisionLiteLLM({ machine, directory, report, signal: controller.signal })).rejects.toThrow('stopped');
  expect(reports).toEqual([{ type: 'note', message: expect.stringContaining('waiting for process 1, which') }]);
});
