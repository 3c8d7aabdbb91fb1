import { delimiter, join } from 'node:path';
import type { Machine } from '../../src/local-proxy/machine.ts';
import type { Installation } from '../../src/local-proxy/provision.ts';

/** What the suite's process hands over to the tests, through the environment, as JSON. */
export interface SuiteAddresses {
  baseUrl: string;
  masterKey: string;
  version: string;
  logFile: string;
  attributionFile: string;
  providersUrl: string;
  installation: Installation;
  /** The ignored folder that holds the installation and the runs. */
  directory: string;
}

/** The release that `npm run test:litellm` names; undefined is the pinned one. */
export const testedVersion: string | undefined = process.env['CLLM_TEST_LITELLM_VERSION'];

/** The ignored folder of the tested LiteLLM: its installation and its runs. */
export const suiteDirectory: string = join(
  process.cwd(),
  '.litellm',
  ...(testedVersion === undefined ? [] : [`v${testedVersion}`]),
);

/** This process and its environment, as src/local-proxy wants them. */
export function testMachine(): Machine {
  return {
    environment: process.env,
    platform: process.platform,
    uid: process.getuid?.() ?? null,
    processId: process.pid,
    kill: (processId, signal) => {
      process.kill(processId, signal);
    },
  };
}

/**
 * The environment of a proxy under test: no provider key, no proxy setting and no home of the developer's reaches it. Only
 * the docker client keeps its home, where it finds its engine.
 */
export function sealedEnvironment(home: string): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => name.startsWith('DOCKER_'));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    ...(process.env['DOCKER_CONFIG'] === undefined && process.env['HOME'] !== undefined
      ? { DOCKER_CONFIG: `${process.env['HOME']}/.docker` }
      : {}),
    PATH: process.env['PATH'] ?? ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    HOME: home,
    TMPDIR: process.env['TMPDIR'] ?? '/tmp',
    LANG: 'C.UTF-8',
    NO_PROXY: '*',
  };
}
