import type { CllmError } from '../outcome/errors.ts';
import type { Context } from './context.ts';
import type { Flags, Values, Words } from './flags/flag.ts';

/** One command, or a group of them: what it declares, and what runs. Made by `command()`, which knows the types. */
export interface Command {
  /** As yargs writes it: the name, then `<needed>` and `[optional..]` words. */
  readonly usage: string;
  readonly describe: string;
  /** Further names; `$0` is the command that runs without a name. */
  readonly aliases: readonly string[];
  readonly flags: Flags;
  readonly words: Words;
  /** A command line, and what it does. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  readonly subcommands: readonly Command[];
  /** Null for a group. The values are those of `flags` and `words`. */
  readonly run: ((values: never, context: Context) => Promise<CllmError | null>) | null;
}

// oxlint-disable-next-line no-generated-empty-object-type -- a record of strings would make every name a flag
type NoFlags = Record<never, never>;

/**
 * A command. `run` gets a value for each flag and word that is declared here, and no other; it gives the error that decides
 * the exit code and has been reported already, or throws one that has not.
 */
export function command<const Declared extends Flags = NoFlags, const Taken extends Words = NoFlags>(declaration: {
  usage: string;
  describe: string;
  aliases?: readonly string[];
  flags?: Declared;
  words?: Taken;
  examples?: Command['examples'];
  /** Commands of their own that stand in the place of its first word: a file of that name is `./NAME`. */
  subcommands?: readonly Command[];
  run(values: Values<Declared> & Values<Taken>, context: Context): Promise<CllmError | null>;
}): Command {
  return { aliases: [], flags: {}, words: {}, examples: [], subcommands: [], ...declaration };
}

/** A group of commands, which does nothing by itself. */
export function commandGroup(usage: string, describe: string, subcommands: readonly Command[]): Command {
  return { usage, describe, aliases: [], flags: {}, words: {}, examples: [], subcommands, run: null };
}

/** A command that is loaded when it is called for. */
export interface CommandEntry {
  usage: string;
  describe: string;
  readonly load: () => Promise<Command>;
}
