import path from 'node:path';
import { UsageError } from '../../outcome/errors.ts';
import type { Flags } from '../flags/flag.ts';
import type { Io } from '../io.ts';

/**
 * Gives standard input to the flag that names it, before anybody reads: whoever came first would get what another one
 * was meant to have. A key on standard input went to the model as a part of the prompt that way.
 *
 * @param given what parsing found for the flags
 * @throws UsageError when two flags name it
 */
export function claimInput(
  flags: Flags,
  given: Readonly<Record<string, unknown>>,
  { stdin, cwd }: Pick<Io, 'stdin' | 'cwd'>,
): void {
  let isClaimed = false;
  for (const [name, declared] of Object.entries(flags)) {
    const flag = declared.alias === null ? `--${name}` : `-${declared.alias}`;
    for (const file of declared.files(given[name])) {
      if (!(file === '-' || stdin.isNamed(path.resolve(cwd, file)))) continue;
      if (file === '-' && given['stdin'] === false) {
        throw new UsageError(`${flag} - asks for standard input and --no-stdin refuses it`, {
          hint: 'leave out one of them',
        });
      }
      // -f twice names it twice.
      stdin.claim(isClaimed && stdin.reader === flag ? `${flag} again` : flag);
      isClaimed = true;
    }
  }
}
