import type { Options } from 'yargs';
import { UsageError } from '../../outcome/errors.ts';

/**
 * Flags end at the door. A command declares each of its flags and words once, with one of the functions below; help,
 * completion, the checks of what was typed and the type of what the command gets all come from that declaration. `main.ts`
 * turns argv into values by it, and no other code looks into argv.
 */

/** What a shell may offer as a value. */
export type Completion =
  | 'files'
  | 'conversations'
  | 'models'
  | 'profiles'
  | 'settings'
  | 'shells'
  | 'templates'
  | 'variables';

interface Declaration<Value> {
  readonly kind: 'text' | 'list' | 'toggle';
  readonly describe: string;
  readonly completes: Completion | null;
  readonly choices: readonly string[] | null;
  /**
   * What parsing found, as a value: a text, the texts of a list, or whether a switch was set; undefined when none stood on
   * the command line.
   *
   * @param name as it is typed, without dashes
   * @throws UsageError that names the flag
   */
  read(given: unknown, name: string): Value;
  /** The files that it names for reading, a lone `-` being standard input. */
  files(given: unknown): readonly string[];
  /** The same for a flag and its copies with other words or another group: what it means is one. */
  readonly meaning: symbol;
}

/** A flag: `--name`. */
export interface Flag<Value> extends Declaration<Value> {
  readonly alias: string | null;
  readonly group: string | null;
  /** The page of `cllm help` that has it in place of the command's own help: what few runs need. Null: the help itself. */
  readonly topic: string | null;
  readonly isNeeded: boolean;
  /** For a switch: what it is when it is not given. `--no-name` is what changes one that is on. */
  readonly isOnByDefault: boolean;
}

/** A word that stands by its place; yargs takes `--name` for it as well. */
export interface Word<Value> extends Omit<Declaration<Value>, 'read'> {
  /** Takes what stands after `--` as well. */
  readonly takesRest: boolean;
  /** Whether it has a place in the command's usage; what only stands after `--` has none. */
  readonly hasPlace: boolean;
  read(given: unknown, name: string, rest: readonly string[]): Value;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type Words = Readonly<Record<string, Word<unknown>>>;

/** `max-tokens` is `maxTokens` to the command. */
export type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** What a command gets for what it declares: one value a flag or word, of the type that its declaration gives. */
export type Values<Declared> = {
  readonly [Name in keyof Declared & string as CamelCase<Name>]: Declared[Name] extends {
    read(given: unknown, name: string, rest: readonly string[]): infer Value;
  }
    ? Value
    : never;
};

/** The words of a prompt. */
export interface PromptWords {
  words: readonly string[];
  /** A lone `-` stood among them, for standard input; it has been taken out. After `--` it is a word like any other. */
  isInputNamed: boolean;
}

interface TextOptions {
  alias?: string;
  completes?: Completion;
}

/** Stands for a lone `-` while yargs parses, which would drop it: no argument of a process can hold a NUL. */
export const inputMark = '\u0000-';

/** A word behind `--` that begins with `-`, or is called like a subcommand, to a parser a word like any other. */
const operandMark = '\u0000=';

export const asOperand = (given: string, subcommands: readonly string[]): string =>
  given.startsWith('-') || subcommands.includes(given) ? operandMark + given : given;

export function unmarked(given: string): string {
  if (given === inputMark) return '-';
  return given.startsWith(operandMark) ? given.slice(operandMark.length) : given;
}

function textOf(given: unknown): string | undefined {
  return typeof given === 'string' ? unmarked(given) : undefined;
}

function listOf(given: unknown): string[] {
  return Array.isArray(given) ? given.map((each) => unmarked(String(each))) : [];
}

function flag<Value>(
  declared: Pick<Declaration<Value>, 'kind' | 'describe' | 'read'> & Partial<Flag<Value>>,
): Flag<Value> {
  return {
    alias: null,
    group: null,
    topic: null,
    choices: null,
    completes: null,
    isNeeded: false,
    isOnByDefault: false,
    files: () => [],
    meaning: Symbol(declared.describe),
    ...declared,
  };
}

/** One text. */
export function text(describe: string, options: TextOptions = {}): Flag<string | undefined> {
  return flag({ kind: 'text', describe, ...options, read: textOf });
}

/** One text without which the command does nothing. */
export function neededText(describe: string, options: TextOptions = {}): Flag<string> {
  return flag({ kind: 'text', describe, ...options, isNeeded: true, read: (given) => textOf(given) ?? '' });
}

/** The name of a file that is read; `-` is standard input. */
export function file(describe: string, options: TextOptions = {}): Flag<string | undefined> {
  return filesOf(text(describe, { completes: 'files', ...options }), (name) => name);
}

/** Each time it is given, one more. */
export function list(describe: string, options: TextOptions = {}): Flag<readonly string[]> {
  return flag({ kind: 'list', describe, ...options, read: listOf });
}

/** One text or several, of which those that `named` gives a name for are files that are read. */
export function filesOf<Value>(declared: Flag<Value>, named: (value: string) => string | undefined): Flag<Value> {
  return {
    ...declared,
    files: (given) =>
      [typeof given === 'string' ? unmarked(given) : listOf(given)]
        .flat()
        .map(named)
        .filter((name) => name !== undefined),
  };
}

/** A switch, `--name`; with `isOnByDefault` it is `--no-name` that changes something. */
export function toggle(
  describe: string,
  { alias, isOnByDefault = false }: { alias?: string; isOnByDefault?: boolean } = {},
): Flag<boolean> {
  return flag({
    kind: 'toggle',
    describe,
    ...(alias !== undefined && { alias }),
    isOnByDefault,
    read: (given) => (typeof given === 'boolean' ? given : isOnByDefault),
  });
}

/** A switch whose default the settings have: undefined when the command line says neither `--name` nor `--no-name`. */
export function settingToggle(describe: string): Flag<boolean | undefined> {
  return flag({
    kind: 'toggle',
    describe,
    isOnByDefault: true,
    read: (given) => (typeof given === 'boolean' ? given : undefined),
  });
}

/** One of a few words. */
export function choice<const Choice extends string>(
  describe: string,
  choices: readonly Choice[],
): Flag<Choice | undefined> {
  return flag({ kind: 'text', describe, choices, read: (given) => textOf(given) as Choice | undefined });
}

/** Seconds, counts, temperatures: a plain decimal number, not below `least`. */
export function number(
  describe: string,
  { least = -Infinity, isWhole = false, alias }: { least?: number; isWhole?: boolean; alias?: string } = {},
): Flag<number | undefined> {
  return mapped(text(describe, alias === undefined ? {} : { alias }), (value, name) => {
    const parsed = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
    if (Number.isFinite(parsed) && parsed >= least && (!isWhole || Number.isSafeInteger(parsed))) return parsed;
    const kind = isWhole ? 'a whole number' : 'a number';
    throw new UsageError(`--${name} ${value} is not ${kind}${least === -Infinity ? '' : `, ${least} or more`}`, {
      hint: `for example --${name} ${isWhole ? Math.max(1, least) : Math.max(0.5, least)}`,
    });
  });
}

/** `KEY=VALUE`, each time one more; the value may hold further `=`. */
export function pairs(describe: string, options: TextOptions = {}): Flag<readonly (readonly [string, string])[]> {
  return mappedList(list(describe, options), (pair, name) => {
    const at = pair.indexOf('=');
    if (at >= 1) return [pair.slice(0, at), pair.slice(at + 1)] as const;
    throw new UsageError(`--${name} ${pair} is not KEY=VALUE`, { hint: `for example --${name} team=search` });
  });
}

/** A text that has a form of its own: `parse` gives what it says, or throws a UsageError that names the flag. */
export function mapped<Value>(
  declared: Flag<string | undefined>,
  parse: (value: string, name: string) => Value,
): Flag<Value | undefined> {
  return {
    ...declared,
    read(given, name) {
      const value = declared.read(given, name);
      return value === undefined ? undefined : parse(value, name);
    },
  };
}

/** A list of such texts. */
export function mappedList<Value>(
  declared: Flag<readonly string[]>,
  parse: (value: string, name: string) => Value,
): Flag<readonly Value[]> {
  return { ...declared, read: (given, name) => declared.read(given, name).map((value) => parse(value, name)) };
}

/** The flags under one heading of `--help`. */
export function inGroup<const Declared extends Flags>(group: string, declared: Declared): Declared {
  return Object.fromEntries(
    Object.entries(declared).map(([name, each]): [string, Flag<unknown>] => [name, { ...each, group }]),
  ) as Declared;
}

/** Those of the named flags that a command's own help leaves to the page `topic` of `cllm help`. */
export function onPage<const Declared extends Flags>(
  topic: string,
  names: readonly (keyof Declared)[],
  declared: Declared,
): Declared {
  return Object.fromEntries(
    Object.entries(declared).map(([name, each]): [string, Flag<unknown>] => [
      name,
      names.includes(name) ? { ...each, topic } : each,
    ]),
  ) as Declared;
}

/** The same flag in the words of a command where it means that much. */
export function reworded<Value>(declared: Flag<Value>, words: { describe?: string; group?: string }): Flag<Value> {
  return { ...declared, ...words };
}

function word<Value>(declared: Pick<Word<Value>, 'kind' | 'describe' | 'read'> & Partial<Word<Value>>): Word<Value> {
  return {
    choices: null,
    completes: null,
    takesRest: false,
    hasPlace: true,
    files: () => [],
    meaning: Symbol(declared.describe),
    ...declared,
  };
}

/** `<name>`: yargs refuses a command line without it. */
export function neededWord(describe: string, completes: Completion | null = null): Word<string> {
  return word({ kind: 'text', describe, completes, read: (given) => textOf(given) ?? '' });
}

/** `[name]`. */
export function optionalWord(describe: string, completes: Completion | null = null): Word<string | undefined> {
  return word({ kind: 'text', describe, completes, read: textOf });
}

/** `<name..>` or `[name..]`. */
export function wordList(describe: string, completes: Completion | null = null): Word<readonly string[]> {
  return word({ kind: 'list', describe, completes, read: listOf });
}

/** `[prompt..]`, with what stands after `--`. */
export function promptWords(describe: string): Word<PromptWords> {
  return word({
    kind: 'list',
    describe,
    takesRest: true,
    read(given, _name, rest) {
      const words = Array.isArray(given) ? given.map(String) : [];
      return {
        words: [...words.filter((each) => each !== inputMark), ...rest.map(unmarked)],
        isInputNamed: words.includes(inputMark),
      };
    },
  });
}

/** What stands after `--`, as it stands there. */
export function restWords(): Word<readonly string[]> {
  return word({
    kind: 'list',
    describe: '',
    takesRest: true,
    hasPlace: false,
    read: (_given, _name, rest) => rest.map(unmarked),
  });
}

/**
 * Everything that a command declared, as it was typed.
 *
 * @param given what parsing found, by the declared names
 * @param rest the words after `--`
 * @throws UsageError for a value that is not of its flag's form
 */
export function readValues<const Declared extends Readonly<Record<string, Flag<unknown> | Word<unknown>>>>(
  declared: Declared,
  given: Readonly<Record<string, unknown>>,
  rest: readonly string[],
): Values<Declared> {
  return Object.fromEntries(
    Object.entries(declared).map(([name, each]) => [camelCase(name), each.read(given[name], name, rest)]),
  ) as Values<Declared>;
}

/**
 * Those of the `wanted` flags that the command has, by their meaning: `--model` of a command that takes several is another
 * flag than the `--model` that all others share.
 */
export function sharedValues<const Wanted extends Flags>(
  wanted: Wanted,
  declared: Flags,
  values: Readonly<Record<string, unknown>>,
): Partial<Values<Wanted>> {
  const shared = Object.keys(wanted).filter((name) => declared[name]?.meaning === wanted[name]?.meaning);
  return Object.fromEntries(shared.map((name) => [camelCase(name), values[camelCase(name)]])) as Partial<
    Values<Wanted>
  >;
}

/** The names by which flags can be given, without dashes: `model`, `m`, and `no-stream` for a switch. */
export function flagNames(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, { alias, kind }]) => [
    name,
    ...(alias === null ? [] : [alias]),
    ...(kind === 'toggle' ? [`no-${name}`] : []),
  ]);
}

/**
 * As yargs takes it: numbers are texts to it, of which it would make NaN in silence.
 *
 * @param isWhole whether the help shows the flags of other pages as well
 */
export function yargsOptions(
  { kind, describe, alias, group, topic, choices, isNeeded }: Flag<unknown>,
  isWhole: boolean,
): Options {
  return {
    // Those of a command are not those of its subcommands.
    global: false,
    ...(topic !== null && !isWhole && { hidden: true }),
    ...(kind === 'toggle'
      ? { type: 'boolean' }
      : { type: 'string', requiresArg: true, ...(kind === 'list' && { array: true }) }),
    describe,
    ...(alias !== null && { alias }),
    ...(group !== null && { group }),
    ...(choices !== null && { choices }),
    ...(isNeeded && { demandOption: true }),
  };
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
