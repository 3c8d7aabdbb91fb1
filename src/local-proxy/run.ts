import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { CllmError } from '../outcome/errors.ts';
import { runCommand } from './command.ts';
import { freePort } from './free-port.ts';
import type { ProcessIdentity } from '../files/process-identity.ts';
import { installerEnvironment, namedVariables, proxyEnvironment } from './environment.ts';
import { isLive, proxyVersion, refusesStrangers, warmUp } from './health.ts';
import { containerOf, launchCommand, type Launch } from './launch.ts';
import { listensOn } from './listener.ts';
import { isAlive, signal, type Machine } from './machine.ts';
import { identifyChild, isContainerRunning, isOurGroup } from './ownership.ts';
import type { Installation } from './provision.ts';

export interface StartOptions {
  machine: Machine;
  installation: Installation;
  /** LiteLLM's configuration; its `general_settings.master_key` is to be `os.environ/LITELLM_MASTER_KEY`. */
  configFile: string;
  /** Gets what the proxy writes, from its start on (0600). */
  logFile: string;
  /** Default: a free port. */
  port?: number;
  /** Default: a random one. */
  masterKey?: string;
  /** A keyless model to send one request to, so that the next one does not pay for LiteLLM's late imports. */
  warmUpModel?: string;
  /** The proxy ends with this process, even when that is killed. Default true; false leaves it running on its own. */
  endsWithParent?: boolean;
  /** How long it may take to answer, in seconds: 12 idle, 30 on two busy cores, more for a first start. Default 180. */
  startTimeout?: number;
  /** Seconds between SIGTERM and SIGKILL. LiteLLM never ends while an abandoned upstream call hangs. Default 5. */
  grace?: number;
  signal?: AbortSignal;
}

export interface RunningProxy {
  baseUrl: string;
  port: number;
  masterKey: string;
  version: string;
  /** The leader of the proxy's process group. */
  processId: number;
  /** What tells it from a later process with its id. */
  identity: ProcessIdentity;
  launch: Launch;
  logFile: string;
  /** Ends the whole process group: SIGTERM, then SIGKILL after the grace. Again is harmless. */
  stop(): Promise<void>;
}

/** A key as LiteLLM wants them; it refuses to start with `sk-1234`, the one of its documentation. */
function randomMasterKey(): string {
  return `sk-${randomBytes(24).toString('hex')}`;
}

/**
 * Starts a LiteLLM on loopback and waits until it answers.
 *
 * @throws CllmError `local_proxy_failed` when it ends before it answers, or does not answer in time; nothing is left running.
 */
export async function startProxy(options: StartOptions): Promise<RunningProxy> {
  const { machine, installation } = options;
  const masterKey = options.masterKey ?? randomMasterKey();
  const port = options.port ?? (await freePort());
  const configFile = resolve(options.configFile);
  const named = await namedVariables(configFile);
  const nonce = randomBytes(6).toString('hex');
  const launch = launchCommand(installation, { configFile, port, platform: machine.platform, named, nonce });
  const child = await spawnGroup(options, launch, proxyEnvironment(machine.environment, named), masterKey);
  const processId = child.pid;
  if (processId === undefined) throw startFailure(`${launch.program} could not be started`, options);

  const identity = identifyChild(machine, processId);
  const endsWithParent = options.endsWithParent ?? true;
  const watchdog = endsWithParent ? spawnWatchdog(processId, launch, options) : null;
  if (!endsWithParent) child.unref();
  const baseUrl = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await stopProxy(machine, identity, launch, options.grace);
    watchdog?.kill('SIGKILL');
  };
  // Its group is gone, and the id may be another's one day.
  child.once('exit', () => watchdog?.kill('SIGKILL'));

  try {
    const version = await waitUntilLive(options, child, { baseUrl, port, processId, launch, masterKey });
    if (options.warmUpModel !== undefined) await warmUp(baseUrl, masterKey, options.warmUpModel);
    return { baseUrl, port, masterKey, version, processId, identity, launch, logFile: options.logFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Ends a proxy, if it is there: its process group by SIGTERM, then SIGKILL after the grace. A container is removed by its
 * name in any case, for it outlives its client; and nothing is signalled that merely has the id of the group.
 */
export async function stopProxy(machine: Machine, identity: ProcessIdentity, launch: Launch, grace = 5): Promise<void> {
  if (isOurGroup(machine, identity)) await stopGroup(machine, identity.pid, launch, grace);
  if (launch.forceStop !== null) await runForceStop(machine, launch.forceStop);
}

async function stopGroup(machine: Machine, processId: number, launch: Launch, grace: number): Promise<void> {
  const isGone = async (seconds: number): Promise<boolean> => {
    for (let left = seconds * 1000; isAlive(machine, -processId); left -= 50) {
      if (left <= 0) return false;
      await wait(50);
    }
    return true;
  };
  signal(machine, -processId, 'SIGTERM');
  if (await isGone(grace)) return;
  if (launch.forceStop !== null) await runForceStop(machine, launch.forceStop);
  signal(machine, -processId, 'SIGKILL');
  // Nothing survives that; but where nobody reaps orphans (a container without an init) a group stays listed for ever.
  await isGone(1);
}

export async function runForceStop(machine: Machine, [program = '', ...programArguments]: string[]): Promise<void> {
  await runCommand(machine, program, programArguments, { timeoutMs: 30_000 });
}

async function spawnGroup(
  options: StartOptions,
  launch: Launch,
  environment: Readonly<Record<string, string>>,
  masterKey: string,
): Promise<ChildProcess> {
  await mkdir(dirname(options.logFile), { recursive: true, mode: 0o700 });
  const log = await open(options.logFile, 'w', 0o600);
  try {
    const child = spawn(launch.program, launch.arguments, {
      cwd: dirname(resolve(options.configFile)),
      env: {
        ...environment,
        // Without it the price list is fetched from the network at every start, with retries.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LITELLM_MASTER_KEY: masterKey,
        PYTHONUNBUFFERED: '1',
      },
      // A group of its own: a Ctrl-C at the terminal is ours to handle, and the whole group can be ended.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await Promise.race([once(child, 'spawn'), once(child, 'error')]).catch(() => undefined);
    return child;
  } finally {
    await log.close();
  }
}

/**
 * A shell that reads from a pipe whose other end only we hold: it gets the end of file when this process ends, however it
 * ends, and then ends the proxy. Nothing else survives a SIGKILL of ours. (Debian's sh takes no `--` before a group's id.)
 */
function spawnWatchdog(processId: number, launch: Launch, options: StartOptions): ChildProcess {
  const forceStop = launch.forceStop === null ? ':' : launch.forceStop.join(' ');
  const script = `read -r line; kill -TERM -"$1"; sleep "$2"; ${forceStop}; kill -KILL -"$1"`;
  const watchdog = spawn('/bin/sh', ['-c', script, 'cllm-watchdog', String(processId), String(options.grace ?? 5)], {
    env: installerEnvironment(options.machine.environment),
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => undefined);
  watchdog.unref();
  // The pipe alone must not keep a finished program alive either.
  (watchdog.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return watchdog;
}

async function waitUntilLive(
  options: StartOptions,
  child: ChildProcess,
  proxy: Answering & { masterKey: string },
): Promise<string> {
  const { baseUrl, masterKey } = proxy;
  const seconds = options.startTimeout ?? 180;
  const deadline = AbortSignal.timeout(seconds * 1000);
  for (let answer = 'no answer'; ;) {
    options.signal?.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) {
      const reason = await lastError(options.logFile);
      throw startFailure(`it ended with ${child.exitCode ?? child.signalCode}${reason}`, options);
    }
    if (deadline.aborted) throw startFailure(`${answer} within ${seconds} s`, options);
    const isAnswered = await isLive(baseUrl);
    if (isAnswered && !(await isOurs(options.machine, proxy)))
      answer = 'another program answers on its port, and it does not';
    else if (isAnswered) {
      const version = await proxyVersion(baseUrl, masterKey);
      if (version !== null) return version;
      answer = 'it answers, but not to its master key,';
    }
    await wait(100, undefined, { signal: options.signal });
  }
}

/** A proxy that is thought to answer at its address. */
export interface Answering {
  baseUrl: string;
  port: number;
  processId: number;
  launch: Launch;
}

/**
 * Whether what answers on the port is the proxy that we started: a process of its group listens there. Of a container that
 * can not be seen from outside: it runs under a name that only we know, and what answers asks for a key.
 */
export async function isOurs(machine: Machine, { baseUrl, port, processId, launch }: Answering): Promise<boolean> {
  const container = containerOf(launch);
  if (container === null) return listensOn(machine, processId, port);
  return (await isContainerRunning(machine, container)) && refusesStrangers(baseUrl, randomMasterKey());
}

/** The last exception that the log names, or else its last line, without colours and without what looks like a key. */
async function lastError(logFile: string): Promise<string> {
  const log = await readFile(logFile, 'utf8').catch(() => '');
  const lines = log.split('\n').map((line) => stripVTControlCharacters(line).trim());
  const line =
    lines.findLast((text) => /^[\w.]*(Error|Exception)\b/.test(text) && text.includes(':')) ??
    lines.findLast((text) => text !== '');
  return line === undefined ? '' : `: ${line.replaceAll(/sk-[\w-]+/g, 'sk-…').slice(0, 200)}`;
}

function startFailure(reason: string, options: StartOptions): CllmError {
  return new CllmError('local_proxy_failed', `LiteLLM did not start with ${options.configFile}: ${reason}`, {
    hint: `its log says why: ${options.logFile}`,
  });
}
