import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { loopbackName } from '../../src/local-proxy/launch.ts';
import { type Installation, provisionLiteLLM } from '../../src/local-proxy/provision.ts';
import { startProxy, type RunningProxy } from '../../src/local-proxy/run.ts';
import { FakeProviders } from './fake-providers.ts';
import {
  sealedEnvironment,
  testMachine,
  type SuiteAddresses,
  suiteDirectory,
  testedVersion,
} from './litellm-environment.ts';

/** The one real LiteLLM of a test run. */
export interface LitellmProxy {
  baseUrl: string;
  masterKey: string;
  version: string;
  /** What it logged; named by errors, since a failed test's reason may stand there. */
  logFile: string;
  /** The upstreams behind its models `fake-openai`, `fake-anthropic` and `fake-gemini` (litellm-overlay.ts has the others). */
  provider: FakeProviders;
  /** What LiteLLM attributed each successful call to, once its callback has written it. */
  attribution: (callId: string) => Attribution | null;
}

export interface Attribution {
  call_id: string;
  model_group: string | null;
  request_tags: string[];
  end_user: string | null;
  cost: number | null;
  spend_metadata: Record<string, unknown> | null;
  trace_id: string | null;
}

/**
 * `describe` for tests against a real LiteLLM. On a machine with neither Docker nor Python they are skipped, and the
 * setup says so in one line; with CI=true the setup fails instead.
 */
export const describeLitellm = process.env['CLLM_TEST_LITELLM_SKIPPED'] === undefined ? describe : describe.skip;

/**
 * The proxy that the litellm project of jest.config.js started. Call it inside a test or a hook, in a file of that project:
 * `__tests__/litellm/` or `*.litellm.test.ts`.
 */
export function litellmProxy(): LitellmProxy {
  const { baseUrl, masterKey, version, logFile, providersUrl, attributionFile } = addresses();
  return {
    baseUrl,
    masterKey,
    version,
    logFile,
    provider: new FakeProviders(providersUrl),
    attribution: (callId) => {
      const lines = readFileSync(attributionFile, 'utf8').split('\n').slice(0, -1);
      const rows = lines.map((line) => JSON.parse(line) as Attribution);
      return rows.find((row) => row.call_id === callId) ?? null;
    },
  };
}

/**
 * A Python that can `import litellm`, the pinned version: run it with LITELLM_LOCAL_MODEL_COST_MAP=True. Where LiteLLM came
 * as an image it is a script that runs the image's Python, with the repository mounted at its own path.
 */
export async function litellmPython(): Promise<string> {
  const root = process.cwd();
  const directory = suiteDirectory;
  const installation = await provisionLiteLLM({
    machine: testMachine(),
    directory,
    report: () => undefined,
    ...(testedVersion !== undefined && { version: testedVersion }),
  });
  if (installation.method !== 'docker') return installation.python;
  const script = join(directory, 'python');
  const mounted = `--volume '${root}:${root}' --workdir '${root}' --env LITELLM_LOCAL_MODEL_COST_MAP=True`;
  writeFileSync(
    script,
    `#!/bin/sh\nexec docker run --rm --interactive ${mounted} --entrypoint python ${installation.image} "$@"\n`,
  );
  chmodSync(script, 0o755);
  return script;
}

export interface OwnLitellm {
  /** LiteLLM's configuration, as YAML. */
  config: string;
  /** Files beside it by name, such as a custom_auth.py. */
  files?: Record<string, string>;
  environment?: Record<string, string>;
  /** Default: a random one. */
  masterKey?: string;
  /** Another than the suite's: of a proxy with a database. */
  installation?: Installation;
  /** A model for the first, slow request. */
  warmUpModel?: string;
}

/**
 * Starts another proxy, with a configuration of its own: 15 to 30 s, so only for what needs the whole proxy set up
 * differently. Its upstreams are the same fake providers. The caller stops it; should that fail, it ends with the process.
 */
export async function startLitellm(own: OwnLitellm): Promise<RunningProxy & { provider: FakeProviders }> {
  const { directory, installation, providersUrl } = addresses();
  mkdirSync(directory, { recursive: true });
  const run = mkdtempSync(join(directory, `run-${process.pid}-`));
  const configFile = join(run, 'litellm-config.yaml');
  writeFileSync(configFile, own.config);
  for (const [name, content] of Object.entries(own.files ?? {})) writeFileSync(join(run, name), content);
  const environment = { ...sealedEnvironment(run), ...own.environment };
  const proxy = await startProxy({
    machine: { ...testMachine(), environment },
    installation: own.installation ?? installation,
    configFile,
    logFile: join(run, 'litellm.log'),
    grace: 2,
    ...(own.masterKey === undefined ? {} : { masterKey: own.masterKey }),
    ...(own.warmUpModel === undefined ? {} : { warmUpModel: own.warmUpModel }),
  });
  return {
    ...proxy,
    provider: new FakeProviders(providersUrl),
    async stop() {
      await proxy.stop();
      rmSync(run, { recursive: true, force: true });
    },
  };
}

/** The LiteLLM that this suite runs. */
export function litellmInstallation(): Installation {
  return addresses().installation;
}

/** The address of the fake providers as a proxy of this suite reaches them. */
export function providersUrlForProxy(): string {
  const { installation, providersUrl } = addresses();
  return providersUrl.replace('127.0.0.1', loopbackName(installation, process.platform));
}

function addresses(): SuiteAddresses {
  const handedOver = process.env['CLLM_TEST_LITELLM'];
  if (handedOver === undefined) {
    throw new Error('no LiteLLM is up: only the litellm project of jest.config.js starts one');
  }
  return JSON.parse(handedOver) as SuiteAddresses;
}
