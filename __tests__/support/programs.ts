import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { describe } from '@jest/globals';

/** Debian keeps servers where a plain user's PATH does not look. */
export const programPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/**
 * `describe` for tests that need programs of the machine. Where one is missing they are skipped, and a line says which and
 * how to get it. In CI (`CI=true`) nothing is skipped: there it is a failure.
 */
export function describeWithPrograms(...programs: string[]): typeof describe | typeof describe.skip {
  const missing = programs.filter((program) => programAt(program) === null);
  if (missing.length === 0) return describe;
  const lack = `tests that need ${missing.join(' and ')}, which this machine has not (apt-get install ${missing.join(' ')})`;
  if (process.env['CI'] === 'true') throw new Error(lack);
  process.stderr.write(`SKIPPED: ${lack}\n`);
  return describe.skip;
}

/** Where a program is; null for one that the machine has not. */
export function programAt(program: string): string | null {
  const places = programPath.split(':').map((directory) => path.join(directory, program));
  return places.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
