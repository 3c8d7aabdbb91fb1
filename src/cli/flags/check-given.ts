import { parseArgs } from 'node:util';
import { UsageError } from '../../outcome/errors.ts';
import type { Flag, Flags, Words } from './flag.ts';

/** What a command declares: its flags, and the words it takes by a name (yargs takes `--NAME` for those as well). */
interface Declarations {
  readonly flags: Flags;
  readonly words: Words;
}

type Declared = Readonly<Record<string, Pick<Flag<unknown>, 'kind'> & Partial<Pick<Flag<unknown>, 'alias'>>>>;

/**
 * Refuses what yargs takes in silence: a flag given twice where one is meant (it makes a list of two texts, and takes the
 * later of two switches), one without its value, and a switch with a value. It is decided here from the declarations, for
 * every command alike, once yargs has found nothing unknown in `argv`. No value is repeated: -s holds a prompt, --header
 * a key.
 */
export function checkGivenFlags(argv: readonly string[], { flags, words }: Declarations, help: string): void {
  const declared: Declared = { ...words, ...flags };
  for (const [name, values] of givenFlags(argv, declared)) {
    const kind = declared[name]?.kind;
    if (kind !== 'list' && values.length > 1)
      throw new UsageError(`--${name} was given ${values.length} times`, { hint: `give --${name} once; ${help}` });
    if (kind !== 'toggle' && values.some((value) => value === undefined || value === ''))
      throw new UsageError(`--${name} needs a value`, { hint: help });
    if (kind === 'toggle' && !values.every(isSwitchValue))
      throw new UsageError(`--${name} takes no value`, { hint: `--${name} or --no-${name}; ${help}` });
  }
}

function isSwitchValue(value: string | undefined): boolean {
  return value === undefined || value === 'true' || value === 'false';
}

/** The values with which each flag stands in `argv`, before `--`; `--no-quiet` is one of `quiet`. */
function givenFlags(argv: readonly string[], declared: Declared): Map<string, (string | undefined)[]> {
  const names = new Map<string, string>();
  const options: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {};
  for (const [name, { alias, kind }] of Object.entries(declared)) {
    const option = { type: kind === 'toggle' ? 'boolean' : 'string' } as const;
    names.set(name, name).set(`no-${name}`, name);
    options[name] = option;
    if (alias == null) continue;
    names.set(alias, name);
    options[alias] = alias.length === 1 ? { ...option, short: alias } : option;
  }
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, (string | undefined)[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const name = names.get(token.name);
    if (name !== undefined) given.set(name, [...(given.get(name) ?? []), token.value]);
  }
  return given;
}
