import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { CllmError } from '../errors.ts';

/** Writes a file whole or not at all: beside it first, then renamed over it. Gives what went wrong, if anything did. */
export function writeWhole(file: string, text: string): CllmError[] {
  const beside = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(beside, text, { mode: 0o666, flag: 'wx' });
    renameSync(beside, file);
    return [];
  } catch (cause) {
    rmSync(beside, { force: true });
    return [
      new CllmError('output_failed', `-o ${file} could not be written (${(cause as NodeJS.ErrnoException).code})`, {
        cause,
        hint: 'check the directory; the reply was printed and saved',
      }),
    ];
  }
}
