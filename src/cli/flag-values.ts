import { UsageError } from '../errors.ts';
import { decodeText } from '../files/text-encoding.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';
import { readNamedFile } from './named-file.ts';

/** Stands for a lone `-` while yargs parses, which would drop it: no argument of a process can hold a NUL. */
export const inputMark = '\u0000-';

/** The flags as they were meant: a lone `-` is one again, but for the prompt, where it stands for standard input. */
export function unmarked(flags: Flags): Flags {
  const plain = (value: unknown): unknown => (value === inputMark ? '-' : value);
  return Object.fromEntries(
    Object.entries(flags).map(([name, value]) => {
      if (name === 'prompt') return [name, value];
      return [name, Array.isArray(value) ? value.map(plain) : plain(value)];
    }),
  );
}

export function textFlag(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

export function listFlag(flags: Flags, name: string): string[] {
  const value = flags[name];
  return Array.isArray(value) ? value.map(String) : [];
}

export function isSet(flags: Flags, name: string): boolean {
  return flags[name] === true;
}

/** Seconds, counts, temperatures: a plain decimal number, not below `least`. */
export function numberFlag(
  flags: Flags,
  name: string,
  { least = -Infinity, isWhole = false }: { least?: number; isWhole?: boolean } = {},
): number | undefined {
  const value = textFlag(flags, name);
  if (value === undefined) return undefined;
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
  if (!Number.isFinite(number) || number < least || (isWhole && !Number.isSafeInteger(number))) {
    const kind = isWhole ? 'a whole number' : 'a number';
    throw new UsageError(`--${name} ${value} is not ${kind}${least === -Infinity ? '' : `, ${least} or more`}`, {
      hint: `for example --${name} ${isWhole ? Math.max(1, least) : Math.max(0.5, least)}`,
    });
  }
  return number;
}

/** `KEY=VALUE` pairs; the value may hold further `=`. */
export function pairsFlag(flags: Flags, name: string): [string, string][] {
  return listFlag(flags, name).map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1)
      throw new UsageError(`--${name} ${pair} is not KEY=VALUE`, { hint: `for example --${name} team=search` });
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
}

/** The text of a file that a flag names. */
export async function fileFlag(flags: Flags, name: string, io: FlagFileIo): Promise<string | undefined> {
  const file = textFlag(flags, name);
  return file === undefined ? undefined : readFlagFile(`--${name}`, file, io);
}

export type FlagFileIo = Pick<Io, 'cwd' | 'signal' | 'stderr' | 'stdin'>;

/** @throws UsageError `input_invalid` when it can not be read, is larger than `mostBytes` or no text */
export async function readFlagFile(flag: string, file: string, io: FlagFileIo, mostBytes?: number): Promise<string> {
  const decoded = decodeText(await readNamedFile(file, `${flag} ${file}`, io, { mostBytes }));
  if (decoded.problem === null) return decoded.text;
  throw new UsageError(`${flag} ${file}: ${decoded.problem}`, { code: 'input_invalid', hint: decoded.hint });
}
