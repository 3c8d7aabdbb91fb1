import { createRequire } from 'node:module';
import type * as BullMq from 'bullmq';
import type * as IoRedis from 'ioredis';
import { CllmError } from '../outcome/errors.ts';
import { errorCode } from '../files/file-error.ts';

/** What a queue needs, and the versions that were tested: this one or a later one of the same major version. */
const tested = { bullmq: [6, 7, 0], ioredis: [5, 11, 1] } as const;

type PackageName = keyof typeof tested;
type Version = readonly [major: number, minor: number, patch: number];

export interface QueuePackages {
  bullmq: typeof BullMq;
  Redis: typeof IoRedis.Redis;
}

/**
 * The packages behind `--queue`. They are not a part of cllm, which they would make half as large again for everybody:
 * whoever wants a queue installs them beside it.
 *
 * @param load gives a module by its name, or throws as `require` does
 * @throws CllmError `queue_unavailable` that names the one command which installs what is missing or too old
 */
export function queuePackages(load: (name: string) => unknown = ownRequire()): QueuePackages {
  const wrong = (Object.keys(tested) as PackageName[])
    .map((name) => problemOf(name, load))
    .filter((problem) => problem !== null);
  if (wrong.length > 0) {
    throw new CllmError('queue_unavailable', `a queue needs packages that are not part of cllm: ${wrong.join(', ')}`, {
      hint: `install them beside cllm, wherever that is (-g if it is global): ${installCommand}`,
    });
  }
  const { Redis } = load('ioredis') as typeof IoRedis;
  return { bullmq: load('bullmq') as typeof BullMq, Redis };
}

/** The one command that installs them. */
const installCommand = `npm install ${Object.entries(tested)
  .map(([name, version]) => `${name}@${version.join('.')}`)
  .join(' ')}`;

function ownRequire(): (name: string) => unknown {
  return createRequire(import.meta.url);
}

function problemOf(name: PackageName, load: (name: string) => unknown): string | null {
  let found: string;
  try {
    ({ version: found } = load(`${name}/package.json`) as { version: string });
  } catch (error) {
    if (errorCode(error) !== 'MODULE_NOT_FOUND' && errorCode(error) !== 'ERR_UNKNOWN_BUILTIN_MODULE') throw error;
    return `${name} is not installed`;
  }
  const wanted: Version = tested[name];
  if (isTested(found, wanted)) return null;
  return `${name} ${found} was not tested, ${wanted.join('.')} and later ${wanted[0]}.x were`;
}

function isTested(found: string, [major, minor, patch]: Version): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(found)?.slice(1).map(Number);
  if (parts === undefined) return false;
  const [foundMajor = 0, foundMinor = 0, foundPatch = 0] = parts;
  return foundMajor === major && (foundMinor > minor || (foundMinor === minor && foundPatch >= patch));
}
