import path from 'node:path';
import { UsageError } from '../errors.ts';
import { listFlag, textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';

/** The flags whose values are files to read, `-` being standard input. */
const fileFlags = ['api-key-file', 'cacert', 'cert', 'cert-key', 'tools', 'output-schema'];

/**
 * Gives standard input to the flag that names it, before anybody reads: whoever came first would get what another one
 * was meant to have. A key on standard input went to the model as a part of the prompt that way.
 *
 * @throws UsageError when two flags name it
 */
export function claimInput(flags: Flags, { stdin, cwd }: Pick<Io, 'stdin' | 'cwd'>): void {
  const system = textFlag(flags, 'system');
  const named: [flag: string, file: string | undefined][] = [
    ...fileFlags.map((name): [string, string | undefined] => [`--${name}`, textFlag(flags, name)]),
    ['-s', system?.startsWith('@') ? system.slice(1) : undefined],
    ...listFlag(flags, 'file').map((file): [string, string] => ['-f', file]),
  ];
  let isClaimed = false;
  for (const [flag, file] of named) {
    if (file === undefined || !(file === '-' || stdin.isNamed(path.resolve(cwd, file)))) continue;
    if (file === '-' && flags['stdin'] === false) {
      throw new UsageError(`${flag} - asks for standard input and --no-stdin refuses it`, {
        hint: 'leave out one of them',
      });
    }
    // -f twice names it twice.
    stdin.claim(isClaimed && stdin.reader === flag ? `${flag} again` : flag);
    isClaimed = true;
  }
}
