import { mkdir, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { CllmError } from '../outcome/errors.ts';
import type { ProcessIdentity } from '../files/process-identity.ts';
import { replaceFile } from '../files/replace-file.ts';
import { readTrustedFile, UntrustedFile } from '../files/trusted-file.ts';
import type { Launch } from './launch.ts';
import type { ProvisionMethod } from './provision.ts';

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
  /** What tells that process from a later one with its id; null in a state of an earlier cllm, which is not trusted. */
  identity: ProcessIdentity | null;
  port: number;
  launch: Launch;
  startedAt: string;
}

export async function writeState(directory: string, service: Service): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  replaceFile(stateFile(directory), `${JSON.stringify(service)}\n`);
}

export async function removeState(directory: string): Promise<void> {
  await rm(stateFile(directory), { force: true });
}

/**
 * What was started; null when nothing was. Every member is checked: processes are signalled, programs are run and a key is
 * sent by what it says.
 *
 * @param uid The user that the process runs as; null where the platform has none.
 * @throws CllmError `local_proxy_failed` for a file that is damaged, or that somebody else may have written
 */
export function readState(directory: string, uid: number | null): Service | null {
  const file = stateFile(directory);
  let bytes: Buffer;
  try {
    const read = readTrustedFile(file, { uid, mostBytes: 65_536 });
    if (read === null) return null;
    ({ bytes } = read);
  } catch (thrown) {
    const reason = thrown instanceof UntrustedFile ? thrown.message : `${file} can not be read`;
    throw refused(reason, file, thrown);
  }
  const service = serviceOf(bytes.toString('utf8'));
  if (service === null) throw refused(`${file} is damaged`, file);
  return service;
}

function refused(reason: string, file: string, cause?: unknown): CllmError {
  return new CllmError('local_proxy_failed', reason, {
    hint: `remove it: rm ${file}; a proxy that still runs is found with: ps ax | grep litellm`,
    cause,
  });
}

function serviceOf(text: string): Service | null {
  let value: Partial<Record<keyof Service, unknown>>;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return null;
    value = parsed;
  } catch {
    return null;
  }
  const { baseUrl, masterKey, version, method, configFile, logFile, processId, port, startedAt } = value;
  const launch = launchOf(value.launch);
  const isSound =
    isText(masterKey) &&
    isText(version) &&
    isText(startedAt) &&
    isText(configFile) &&
    isAbsolute(configFile) &&
    isText(logFile) &&
    (method === 'docker' || method === 'uv' || method === 'venv') &&
    isWhole(port, 1, 65_535) &&
    baseUrl === `http://127.0.0.1:${port}` &&
    // 0 is our own group, 1 the whole machine (as a group, -1).
    isWhole(processId, 2, 2 ** 31 - 1) &&
    launch !== null;
  if (!isSound) return null;
  const identity = identityOf(value.identity, processId);
  return {
    baseUrl,
    masterKey,
    version,
    method,
    configFile,
    logFile,
    processId,
    identity,
    port,
    launch,
    startedAt,
  };
}

/** The one command that it may hold: the removal of a container with a name of ours. */
function launchOf(value: unknown): Launch | null {
  const { program, arguments: programArguments, forceStop } = (value ?? {}) as Partial<Record<keyof Launch, unknown>>;
  if (!isText(program) || !isTexts(programArguments)) return null;
  if (forceStop === null) return { program, arguments: programArguments, forceStop };
  const isRemoval = isTexts(forceStop) && /^docker rm --force cllm-litellm-\d+(-[0-9a-f]+)?$/.test(forceStop.join(' '));
  return isRemoval ? { program, arguments: programArguments, forceStop } : null;
}

function identityOf(value: unknown, processId: number): ProcessIdentity | null {
  const { pid, startedAt, realm } = (value ?? {}) as Partial<Record<keyof ProcessIdentity, unknown>>;
  return pid === processId && isText(startedAt) && isText(realm) ? { pid: processId, startedAt, realm } : null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

function stateFile(directory: string): string {
  return join(directory, 'proxy.json');
}
