import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { CllmError } from '../outcome/errors.ts';
import { replaceFile } from '../files/replace-file.ts';
import { runCommand, type CommandResult } from './command.ts';
import { withLock } from './lock.ts';
import type { Machine } from './machine.ts';
import { findPython } from './python.ts';
import { installedSize, litellmRelease, litellmVersion } from './release.ts';

/** How LiteLLM comes onto the machine: its container image, or its Python packages in an environment of their own. */
export type ProvisionMethod = 'docker' | 'uv' | 'venv';

/** A LiteLLM that is ready to be started. */
export type Installation =
  | { method: 'docker'; version: string; image: string }
  | {
      method: 'uv' | 'venv';
      version: string;
      /** Interpreter of the virtual environment. */
      python: string;
      /** The `litellm` program. */
      program: string;
    };

/**
 * `plan` comes once, before anything is fetched: what will be installed, where, and how large it is. A `note` is said in
 * any case, progress now and then.
 */
export interface ProvisionReport {
  type: 'plan' | 'progress' | 'note' | 'done';
  message: string;
}

export interface ProvisionOptions {
  machine: Machine;
  /** Where the virtual environment and the stamp go. Made when missing; nothing outside it is written. */
  directory: string;
  report: (report: ProvisionReport) => void;
  /** Only this way. Default: what is there already, else Docker if an engine answers, else uv, else Python's own venv and pip. */
  method?: ProvisionMethod;
  version?: string;
  signal?: AbortSignal;
}

/**
 * Makes sure that a LiteLLM is on this machine, and installs it where it is not. Called again it reuses what is there: a
 * stamp, written last, names what was installed, so that an interrupted installation is done over. Two processes at once
 * install once.
 *
 * @throws CllmError `local_proxy_unavailable` when the machine has neither a Docker engine nor uv nor a fitting Python;
 * `local_proxy_failed` when the installation fails; UsageError for a version that must not be run.
 */
export async function provisionLiteLLM(options: ProvisionOptions): Promise<Installation> {
  const { requirements, image } = litellmRelease(options.version);
  const wanted = { version: options.version ?? litellmVersion, requirements, image };
  const present = await readInstallation(options, wanted);
  if (present !== null) return present;
  return withLock(
    options.machine,
    join(options.directory, 'lock'),
    async () => (await readInstallation(options, wanted)) ?? install(options, wanted),
    {
      signal: options.signal,
      onWait: (holder) => {
        options.report({
          type: 'note',
          message: `waiting for ${holder}; it may be installing LiteLLM (Ctrl-C ends the wait)`,
        });
      },
    },
  );
}

interface Wanted {
  version: string;
  requirements: string[];
  image: string;
}

interface Stamp {
  method: ProvisionMethod;
  directory: string;
  requirements: string[];
  /** The image by its digest, as it was when it was pulled. */
  image?: string | undefined;
}

/** What the stamp says and the machine still has; null when that is nothing, or something else than wanted. */
async function readInstallation(options: ProvisionOptions, wanted: Wanted): Promise<Installation | null> {
  try {
    const stamp = JSON.parse(await readFile(stampFile(options), 'utf8')) as Stamp;
    if (options.method !== undefined && stamp.method !== options.method) return null;
    // A virtual environment that was moved has programs that name its old place.
    if (stamp.directory !== options.directory) return null;
    if (JSON.stringify(stamp.requirements) !== JSON.stringify(wanted.requirements)) return null;
    if (stamp.method === 'docker') {
      const image = stamp.image !== undefined && isDigest(stamp.image, wanted) ? stamp.image : wanted.image;
      const inspect = await runCommand(options.machine, 'docker', ['image', 'inspect', '--format', 'ok', image]);
      return inspect.exitCode === 0 ? { method: 'docker', version: wanted.version, image } : null;
    }
    const installation = virtualEnvironment(options, stamp.method, wanted);
    // The interpreter is a link to the machine's own, which may have been removed since.
    await Promise.all([access(installation.python), access(installation.program)]);
    return installation;
  } catch {
    return null;
  }
}

async function install(options: ProvisionOptions, wanted: Wanted): Promise<Installation> {
  const { machine, signal } = options;
  const isAllowed = (method: ProvisionMethod): boolean => (options.method ?? method) === method;

  let imageFailure: CommandResult | null = null;
  if (isAllowed('docker') && (await hasDockerEngine(machine))) {
    imageFailure = await pullImage(options, wanted);
    if (imageFailure === null)
      return recordInstallation(options, wanted, {
        method: 'docker',
        version: wanted.version,
        image: await digestOf(options, wanted),
      });
    options.report({ type: 'progress', message: `the image ${wanted.image} could not be pulled; trying Python` });
  }
  if (isAllowed('uv') && (await isInstalled(machine, 'uv'))) {
    return installPackages(options, wanted, 'uv', [
      ['uv', 'venv', '--no-project', '--python', '>=3.10,<3.15', venvDirectory(options)],
      [
        'uv',
        'pip',
        'install',
        '--python',
        join(venvDirectory(options), 'bin', 'python'),
        ...(await pinned(options, wanted)),
      ],
    ]);
  }
  const python = isAllowed('venv') ? await findPython(machine, signal) : null;
  if (python !== null) {
    const pip = [
      join(venvDirectory(options), 'bin', 'python'),
      '-m',
      'pip',
      '--disable-pip-version-check',
      '--no-input',
    ];
    return installPackages(options, wanted, 'venv', [
      [python, '-m', 'venv', venvDirectory(options)],
      [...pip, 'install', '--progress-bar', 'off', ...(await pinned(options, wanted))],
    ]);
  }
  if (imageFailure !== null) throw failure(`docker pull ${wanted.image}`, imageFailure);
  throw new CllmError(
    'local_proxy_unavailable',
    options.method === undefined
      ? 'LiteLLM cannot be installed here: no Docker engine answers, and there is no Python 3.10 to 3.14 with venv'
      : `LiteLLM cannot be installed here with ${options.method}: this machine does not offer it`,
    { hint: 'start Docker, or install Python 3.10 or newer (on Debian and Ubuntu: apt install python3 python3-venv)' },
  );
}

async function pullImage(options: ProvisionOptions, wanted: Wanted): Promise<CommandResult | null> {
  options.report({
    type: 'plan',
    message: `Pulling ${wanted.image} with docker: a download of several hundred megabytes, kept by Docker`,
  });
  const result = await runCommand(options.machine, 'docker', ['pull', wanted.image], {
    onLine: (line) => {
      if (line !== '') options.report({ type: 'progress', message: line.slice(0, 100) });
    },
    signal: options.signal,
  });
  return result.exitCode === 0 ? null : result;
}

/**
 * The image as it came, by its digest: a tag can be moved to another image later, a digest can not. Without one, of an image
 * that was built here say, it is the tag.
 */
async function digestOf({ machine }: ProvisionOptions, wanted: Wanted): Promise<string> {
  const format = '{{index .RepoDigests 0}}';
  const { exitCode, output } = await runCommand(machine, 'docker', [
    'image',
    'inspect',
    '--format',
    format,
    wanted.image,
  ]);
  const image = output.trim();
  return exitCode === 0 && isDigest(image, wanted) ? image : wanted.image;
}

function isDigest(image: string, wanted: Wanted): boolean {
  const [repository = ''] = wanted.image.split(/:[^/]*$/);
  return image.startsWith(`${repository}@sha256:`) && /@sha256:[0-9a-f]{64}$/.test(image);
}

/**
 * What the installer is told to install. For the version that cllm is pinned to that is each package with its exact version
 * and the hashes of its files, and wheels alone, so that no package runs code while it is set up.
 */
async function pinned(options: ProvisionOptions, wanted: Wanted): Promise<string[]> {
  if (wanted.version !== litellmVersion) return wanted.requirements;
  const { lockedRequirements } = await import('./locked-requirements.ts');
  const file = join(options.directory, 'requirements.txt');
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  replaceFile(file, lockedRequirements);
  // One of them, cryptography, has no wheel for Macs with an Intel processor: its source is pinned, and built.
  const isIntelMac = options.machine.platform === 'darwin' && arch() === 'x64';
  return ['--require-hashes', ...(isIntelMac ? [] : ['--only-binary', ':all:']), '-r', file];
}

async function installPackages(
  options: ProvisionOptions,
  wanted: Wanted,
  method: 'uv' | 'venv',
  commands: string[][],
): Promise<Installation> {
  const installer = method === 'uv' ? 'uv' : 'pip';
  options.report({
    type: 'plan',
    message: `Installing ${wanted.requirements.join(' and ')} with ${installer} into ${venvDirectory(options)}: about ${installedSize} on disk`,
  });
  // Half of an interrupted installation may look whole to pip.
  await rm(venvDirectory(options), { recursive: true, force: true });
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  for (const [program = '', ...programArguments] of commands) {
    const result = await runCommand(options.machine, program, programArguments, {
      onLine: (line) => {
        const step = /^\s*(Collecting|Downloading|Building|Installing|Resolved|Prepared|Installed|Creating)\b.*/.exec(
          line,
        );
        if (step !== null) options.report({ type: 'progress', message: step[0].trim().slice(0, 100) });
      },
      signal: options.signal,
    });
    if (result.exitCode !== 0) throw failure([program, ...programArguments.slice(0, 3)].join(' '), result);
  }
  return recordInstallation(options, wanted, virtualEnvironment(options, method, wanted));
}

async function recordInstallation(
  options: ProvisionOptions,
  wanted: Wanted,
  installation: Installation,
): Promise<Installation> {
  const { method } = installation;
  const content: Stamp = {
    method,
    directory: options.directory,
    requirements: wanted.requirements,
    ...(installation.method === 'docker' && { image: installation.image }),
  };
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  replaceFile(stampFile(options), `${JSON.stringify(content)}\n`);
  options.report({ type: 'done', message: `LiteLLM ${wanted.version} is installed` });
  return installation;
}

function virtualEnvironment(
  options: ProvisionOptions,
  method: 'uv' | 'venv',
  wanted: Wanted,
): Installation & { python: string; program: string } {
  const programs = join(venvDirectory(options), 'bin');
  return { method, version: wanted.version, python: join(programs, 'python'), program: join(programs, 'litellm') };
}

function venvDirectory(options: ProvisionOptions): string {
  return join(options.directory, 'venv');
}

function stampFile(options: ProvisionOptions): string {
  return join(options.directory, 'installed.json');
}

/** The client alone is not enough: `docker version` asks the engine. */
async function hasDockerEngine(machine: Machine): Promise<boolean> {
  const result = await runCommand(machine, 'docker', ['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: 10_000,
  });
  return result.exitCode === 0;
}

async function isInstalled(machine: Machine, program: string): Promise<boolean> {
  return (await runCommand(machine, program, ['--version'], { timeoutMs: 10_000 })).exitCode === 0;
}

function failure(command: string, result: CommandResult): CllmError {
  const lastLine = result.output
    .trim()
    .split('\n')
    .findLast((line) => /error|denied|failed|no space/i.test(line));
  return new CllmError(
    'local_proxy_failed',
    `installing LiteLLM failed: ${command}: ${lastLine?.trim().slice(0, 300) ?? `exit code ${result.exitCode ?? 'none'}`}`,
    {
      hint: 'check the network and the free disk space, then run it again: it starts over cleanly',
      isRetryable: true,
    },
  );
}
