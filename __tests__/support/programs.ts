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
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return describe;
  const lack = `tests that need ${missing.join(' and ')}, which this machine has not (apt-get install ${missing.join(' ')})`;
  if (process.env['CI'] === 'true') throw new Error(lack);
  process.stderr.write(`SKIPPED: ${lack}\n`);
  return describe.skip;
}

function isThere(program: string): boolean {
  return programPath.split(':').some((directory) => {
    try {
      accessSync(path.join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
