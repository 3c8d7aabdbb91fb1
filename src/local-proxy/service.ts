import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CllmError, UsageError } from '../errors.ts';
import { runCommand } from './command.ts';
import { defaultConfig, keylessModel } from './default-config.ts';
import { freePort } from './free-port.ts';
import { proxyVersion } from './health.ts';
import type { Launch } from './launch.ts';
import { withLock } from './lock.ts';
import { isAlive, type Machine } from './machine.ts';
import { provisionLiteLLM, type ProvisionMethod, type ProvisionReport } from './provision.ts';
import { startProxy, stopGroup } from './run.ts';

/** Where cllm looks for a proxy when nobody names another. */
const defaultPort = 4000;

export interface ServiceOptions {
  machine: Machine;
  /** Holds the installation, the default configuration, the log and the state, for its owner alone. */
  directory: string;
}

/** The one proxy that cllm keeps running on this machine, as its state file (0600) says. */
export interface Service {
  baseUrl: string;
  masterKey: string;
  version: string;
  method: ProvisionMethod;
  configFile: string;
  logFile: string;
  /** The leader of its process group. */
  processId: number;
  port: number;
  launch: Launch;
  startedAt: string;
}

export interface BringUpOptions extends ServiceOptions {
  report: (report: ProvisionReport) => void;
  /** Default: one with a keyless model, written when it is missing. */
  configFile?: string;
  /** Default: 4000, or any free one when that is taken. */
  port?: number;
  /** Default: a random one. Pass the key that is stored for the proxy, so that it stays valid. */
  masterKey?: string;
  method?: ProvisionMethod;
  signal?: AbortSignal;
}

/**
 * Installs a LiteLLM where it is missing and leaves it running on its own, beyond the terminal. A proxy that runs already
 * is left as it is.
 *
 * @throws UsageError when it runs with another configuration or on another port than asked for; what `provisionLiteLLM`
 * and `startProxy` throw.
 */
export function bringUp(options: BringUpOptions): Promise<Service & { isNew: boolean; model: string | null }> {
  const { machine, directory } = options;
  return withLock(machine, join(directory, 'service.lock'), async () => {
    const configFile = resolve(options.configFile ?? join(directory, 'litellm-config.yaml'));
    const isDefault = options.configFile === undefined;
    const model = isDefault ? keylessModel : null;
    const running = await serviceStatus(options);
    if (running.status === 'running') {
      checkSame(running.service, options, configFile);
      return { ...running.service, isNew: false, model };
    }
    if (running.status === 'unresponsive') await takeDown(options);

    const { report, method, signal, masterKey } = options;
    const installation = await provisionLiteLLM({
      machine,
      directory,
      report,
      ...(method !== undefined && { method }),
      ...(signal !== undefined && { signal }),
    });
    if (isDefault) await writeDefaultConfig(configFile);
    const port = options.port ?? (await freePort(defaultPort));
    report({ type: 'progress', message: `starting LiteLLM ${installation.version} on port ${port}` });
    const proxy = await startProxy({
      machine,
      installation,
      configFile,
      port,
      logFile: join(directory, 'litellm.log'),
      endsWithParent: false,
      ...(isDefault && { warmUpModel: keylessModel }),
      ...(masterKey !== undefined && { masterKey }),
      ...(signal !== undefined && { signal }),
    });
    const service: Service = {
      baseUrl: proxy.baseUrl,
      masterKey: proxy.masterKey,
      version: proxy.version,
      method: installation.method,
      configFile,
      logFile: proxy.logFile,
      processId: proxy.processId,
      port,
      launch: proxy.launch,
      startedAt: new Date().toISOString(),
    };
    await writeState(directory, service);
    return { ...service, isNew: true, model };
  });
}

/** Ends the proxy. Gives false when none was running. */
export async function takeDown(options: ServiceOptions): Promise<boolean> {
  const { status, service } = await serviceStatus(options);
  if (service !== null && status !== 'stopped') await stopGroup(options.machine, service.processId, service.launch);
  await rm(stateFile(options.directory), { force: true });
  return status !== 'stopped';
}

export type ServiceStatus =
  | { status: 'running' | 'unresponsive'; service: Service }
  | { status: 'stopped'; service: Service | null };

/**
 * Whether the proxy runs. `unresponsive`: its process is there and does not answer to its key. A process that merely has
 * its id, after a restart of the machine, is not taken for it.
 */
export async function serviceStatus({ machine, directory }: ServiceOptions): Promise<ServiceStatus> {
  const service = await readState(directory);
  if (service === null) return { status: 'stopped', service };
  if ((await proxyVersion(service.baseUrl, service.masterKey)) !== null) return { status: 'running', service };
  const isThere = isAlive(machine, service.processId) && (await isOurs(machine, service));
  return { status: isThere ? 'unresponsive' : 'stopped', service };
}

/** The last lines of what the proxy wrote; empty when there is no log. */
export async function readLog({ directory }: ServiceOptions, lines = 100): Promise<string> {
  const log = await readFile(join(directory, 'litellm.log'), 'utf8').catch(() => '');
  return log
    .split('\n')
    .slice(-lines - 1)
    .join('\n');
}

/** The command line of the process names our configuration: `ps` tells it on Linux and macOS alike. */
async function isOurs(machine: Machine, service: Service): Promise<boolean> {
  const { output } = await runCommand(machine, 'ps', ['-ww', '-o', 'args=', '-p', String(service.processId)]);
  return output.includes(service.configFile);
}

function checkSame(service: Service, options: BringUpOptions, configFile: string): void {
  const asked = options.configFile === undefined ? service.configFile : configFile;
  if (asked === service.configFile && (options.port ?? service.port) === service.port) return;
  throw new UsageError(`a proxy runs already, on port ${service.port} with ${service.configFile}`, {
    hint: 'Stop it first: cllm proxy down.',
  });
}

async function writeDefaultConfig(file: string): Promise<void> {
  try {
    await writeFile(file, defaultConfig, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function writeState(directory: string, service: Service): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(`${stateFile(directory)}.new`, `${JSON.stringify(service)}\n`, { mode: 0o600 });
  await rename(`${stateFile(directory)}.new`, stateFile(directory));
}

async function readState(directory: string): Promise<Service | null> {
  const text = await readFile(stateFile(directory), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Service;
  } catch (error) {
    throw new CllmError('local_proxy_failed', `${stateFile(directory)} is damaged`, {
      hint: 'Remove it; a proxy that still runs is found with: ps ax | grep litellm.',
      cause: error,
    });
  }
}

function stateFile(directory: string): string {
  return join(directory, 'proxy.json');
}
