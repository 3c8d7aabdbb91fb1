import type { Argv } from 'yargs';
import type { CllmError } from '../errors.ts';
import type { Context } from './context.ts';
import type { Flags } from './flags.ts';

/** One command, or a group of them. `run` acts, `configure` only declares, so that parsing can be tested without acting. */
export interface Command {
  /** As yargs writes it: the name, then `<needed>` and `[optional..]` words. */
  usage: string;
  describe: string;
  /** Further names; `$0` is the command that runs without a name. */
  aliases?: readonly string[];
  configure?(parser: Argv): Argv;
  subcommands?: readonly Command[];
  /** Gives the error that decides the exit code and has been reported already, or throws one that has not. */
  run?(flags: Flags, context: Context): Promise<CllmError | null>;
}

/** A command that is loaded when it is called for. */
export interface CommandEntry {
  usage: string;
  describe: string;
  readonly load: () => Promise<Command>;
}
