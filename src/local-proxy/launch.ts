import { dirname } from 'node:path';
import type { Installation } from './provision.ts';

export interface LaunchOptions {
  /** Absolute path of the LiteLLM configuration; the files that it names lie beside it. */
  configFile: string;
  port: number;
  platform: string;
  /** The variables that the configuration names. */
  named: readonly string[];
  /** A random word, so that a container of this name is ours and of this start. */
  nonce: string;
}

export interface Launch {
  program: string;
  arguments: string[];
  /** The command that ends the proxy when ending `program` does not: a container outlives its killed client. */
  forceStop: string[] | null;
}

/** Environment variables that the proxy gets besides those that its configuration names. */
const proxyVariables = ['LITELLM_MASTER_KEY', 'LITELLM_LOCAL_MODEL_COST_MAP', 'LITELLM_ENABLE_MCP_STDIO'] as const;

/**
 * How an installation is started on a loopback port. Secrets travel in the environment and never as an argument, which any
 * user of the machine could read in the process list.
 */
export function launchCommand(installation: Installation, options: LaunchOptions): Launch {
  const { configFile, port, platform, named, nonce } = options;
  if (installation.method !== 'docker') {
    return {
      program: installation.program,
      arguments: ['--config', configFile, '--host', '127.0.0.1', '--port', String(port)],
      forceStop: null,
    };
  }
  const name = `cllm-litellm-${port}-${nonce}`;
  // On Linux a container on the host's network reaches an Ollama (or a test's provider) on loopback; Docker Desktop has no
  // such network, publishes the port and offers `host.docker.internal` instead.
  const isLinux = platform === 'linux';
  const network = isLinux ? ['--network', 'host'] : ['--publish', `127.0.0.1:${port}:${port}`];
  const configDirectory = dirname(configFile);
  const environment = [...new Set([...proxyVariables, ...named])].flatMap((variable) => ['--env', variable]);
  const listen = isLinux ? '127.0.0.1' : '0.0.0.0';
  return {
    program: 'docker',
    arguments: ['run', '--rm', '--name', name, ...network, ...environment].concat(
      ['--volume', `${configDirectory}:${configDirectory}:ro`, installation.image],
      ['--config', configFile, '--host', listen, '--port', String(port)],
    ),
    forceStop: ['docker', 'rm', '--force', name],
  };
}

/** The container that a launch makes; null for one that makes none. */
export function containerOf({ forceStop }: Launch): string | null {
  return forceStop?.at(-1) ?? null;
}

/** The name under which a started proxy reaches services on this machine's loopback. */
export function loopbackName(installation: Installation, platform: string): string {
  return installation.method === 'docker' && platform !== 'linux' ? 'host.docker.internal' : '127.0.0.1';
}
