/**
 * The process behind the litellm tests: it holds the fake providers and the one real proxy, apart from jest, whose own
 * process may be busy or blocked. It writes one JSON line when all is up and ends, with everything it started, when
 * its standard input does: so also when jest was killed.
 *
 * Bundled and started by litellm-setup.mjs.
 */
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, type Machine } from '../../src/local-proxy/machine.ts';
import { provisionLiteLLM, type ProvisionMethod, type ProvisionReport } from '../../src/local-proxy/provision.ts';
import { startProxy } from '../../src/local-proxy/run.ts';
import { loopbackName } from '../../src/local-proxy/launch.ts';
import { startFakeProviders } from './fake-providers.ts';
import { attributionLog, overlayConfig, streamRule } from './litellm-overlay.ts';
import {
  sealedEnvironment,
  suiteDirectory,
  testedVersion,
  testMachine,
  type SuiteAddresses,
} from './litellm-environment.ts';

const root = process.cwd();
const directory = suiteDirectory;
const machine: Machine = testMachine();

let lastReport = 0;
function report({ type, message }: ProvisionReport): void {
  // pip names hundreds of packages: on a log one line in five seconds shows that it lives.
  const now = Date.now();
  if (type === 'progress' && now - lastReport < 5_000) return;
  lastReport = now;
  process.stderr.write(`litellm: ${message}\n`);
}

/** Folders of runs whose process is gone; their logs were kept until now for a look at a failed test. */
function removeOldRuns(): void {
  for (const name of readdirSync(directory)) {
    const processId = Number(/^run-(\d+)/.exec(name)?.[1]);
    if (processId > 0 && !isAlive(machine, processId)) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const ending = new AbortController();
  const { signal } = ending;
  const end = (): void => {
    ending.abort();
  };
  process.stdin.on('end', end).on('error', end).resume();
  process.once('SIGTERM', end);
  // The terminal sends Ctrl-C to us too; jest ends and closes our input.
  process.on('SIGINT', () => undefined);

  const method = process.env['CLLM_TEST_LITELLM_METHOD'] as ProvisionMethod | undefined;
  const installation = await provisionLiteLLM({
    machine,
    directory,
    report,
    signal,
    ...(method === undefined ? {} : { method }),
    ...(testedVersion === undefined ? {} : { version: testedVersion }),
  });

  removeOldRuns();
  const run = join(directory, `run-${process.pid}`);
  mkdirSync(run, { recursive: true });
  const providers = await startFakeProviders();
  const providersUrl = providers.url.replace('127.0.0.1', loopbackName(installation, machine.platform));
  const attributionFile = join(run, 'attribution.jsonl');
  const configFile = join(run, 'litellm-config.yaml');
  writeFileSync(attributionFile, '');
  writeFileSync(join(run, 'attribution_log.py'), attributionLog);
  writeFileSync(join(run, 'stream_rule.py'), streamRule);
  writeFileSync(configFile, overlayConfig(readFileSync(join(root, 'litellm-config.yaml'), 'utf8'), providersUrl));

  const proxy = await startProxy({
    machine: { ...machine, environment: sealedEnvironment(run) },
    installation,
    configFile,
    logFile: join(run, 'litellm.log'),
    warmUpModel: 'fake-openai',
    grace: 2,
    signal,
  });
  const addresses: SuiteAddresses = {
    baseUrl: proxy.baseUrl,
    masterKey: proxy.masterKey,
    version: proxy.version,
    logFile: proxy.logFile,
    attributionFile,
    providersUrl: providers.url,
    installation,
    directory,
  };
  process.stdout.write(`${JSON.stringify({ addresses })}\n`);
  if (!signal.aborted) await once(signal, 'abort');
  await proxy.stop();
  await providers.close();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const { code, message, hint } = error as { code?: string; message: string; hint?: string };
    process.stdout.write(
      `${JSON.stringify({ failure: { code, message: [message, hint].filter(Boolean).join('. ') } })}\n`,
      // What was started before the failure would keep the process, and jest with it.
      () => process.exit(1),
    );
  },
);
