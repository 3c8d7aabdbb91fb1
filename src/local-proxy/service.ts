import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '../files/file-error.ts';
import { UsageError } from '../outcome/errors.ts';
import { defaultConfig, keylessModel } from './default-config.ts';
import { namedVariables, unnamedKeys, wantsStdio } from './environment.ts';
import { freePort } from './free-port.ts';
import { proxyVersion } from './health.ts';
import { containerOf } from './launch.ts';
import { withLock } from './lock.ts';
import type { Machine } from './machine.ts';
import { isContainerRunning, isOurGroup } from './ownership.ts';
import { provisionLiteLLM, type ProvisionMethod, type ProvisionReport } from './provision.ts';
import { isOurs, runForceStop, startProxy, stopProxy } from './run.ts';
import { readState, removeState, type Service, writeState } from './state-file.ts';

export type { Service } from './state-file.ts';

/** Where cllm looks for a proxy when nobody names another. */
const defaultPort = 4000;

export interface ServiceOptions {
  machine: Machine;
  /** Holds the installation, the default configuration, the log and the state, for its owner alone. */
  directory: string;
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
  const work = async () => {
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
    else await noteWhatIsMissing(options, configFile);
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
      identity: proxy.identity,
      port,
      launch: proxy.launch,
      startedAt: new Date().toISOString(),
    };
    await writeState(directory, service);
    return { ...service, isNew: true, model };
  };
  return withLock(machine, join(directory, 'service.lock'), work, {
    signal: options.signal,
    onWait: (holder) => options.report({ type: 'note', message: `waiting for ${holder} (Ctrl-C ends the wait)` }),
  });
}

/** Ends the proxy. Gives false when none was running. A container is removed whatever became of its client. */
export async function takeDown(options: ServiceOptions): Promise<boolean> {
  const { status, service } = await serviceStatus(options);
  if (service?.identity) await stopProxy(options.machine, service.identity, service.launch);
  else if (service?.launch.forceStop) await runForceStop(options.machine, service.launch.forceStop);
  await removeState(options.directory);
  return status !== 'stopped';
}

export type ServiceStatus =
  | { status: 'running' | 'unresponsive'; service: Service }
  | { status: 'stopped'; service: Service | null };

/**
 * Whether the proxy runs. `unresponsive`: it is there and does not answer to its key. A process that merely has its id, or
 * another program on its port, after a restart of the machine say, is not taken for it, and is not sent its key.
 */
export async function serviceStatus(options: ServiceOptions): Promise<ServiceStatus> {
  const service = readState(options.directory, options.machine.uid);
  if (service === null) return { status: 'stopped', service };
  const { machine } = options;
  const container = containerOf(service.launch);
  const isThere =
    (service.identity !== null && isOurGroup(machine, service.identity)) ||
    (container !== null && (await isContainerRunning(machine, container)));
  if (!isThere) return { status: 'stopped', service };
  const isAnswering =
    (await isOurs(machine, service)) && (await proxyVersion(service.baseUrl, service.masterKey)) !== null;
  return { status: isAnswering ? 'running' : 'unresponsive', service };
}

/** The last lines of what the proxy wrote; empty when there is no log. */
export async function readLog({ directory }: ServiceOptions, lines = 100): Promise<string> {
  const log = await readFile(join(directory, 'litellm.log'), 'utf8').catch(() => '');
  return log
    .split('\n')
    .slice(-lines - 1)
    .join('\n');
}

/** Somebody with a provider's key in the shell expects it to work, and finds out at the first request; the same with MCP servers. */
async function noteWhatIsMissing({ machine, report }: BringUpOptions, configFile: string): Promise<void> {
  if (wantsStdio(machine.environment, await readFile(configFile, 'utf8').catch(() => ''))) {
    const message = `LiteLLM starts no program as MCP server, which ${configFile} asks for, unless it is let: LITELLM_ENABLE_MCP_STDIO=true cllm proxy up`;
    report({ type: 'note', message });
  }
  const names = unnamedKeys(machine.environment, await namedVariables(configFile).catch(() => []));
  if (names.length === 0) return;
  const [first] = names;
  report({
    type: 'note',
    message: `LiteLLM does not get ${names.join(', ')}: ${configFile} does not name it (api_key: os.environ/${first})`,
  });
}

function checkSame(service: Service, options: BringUpOptions, configFile: string): void {
  const asked = options.configFile === undefined ? service.configFile : configFile;
  if (asked === service.configFile && (options.port ?? service.port) === service.port) return;
  throw new UsageError(`a proxy runs already, on port ${service.port} with ${service.configFile}`, {
    hint: 'stop it first: cllm proxy down',
  });
}

async function writeDefaultConfig(file: string): Promise<void> {
  try {
    await writeFile(file, defaultConfig, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}
