import type { Argv, Options } from 'yargs';
import type { Command } from './command.ts';

/** What a command declares, without running anything: for shells and for whoever mistyped a flag. */
export function declaredFlags(command: Command): Readonly<Record<string, Options>> {
  return declared(command, ['options', 'option']);
}

/** The words that a command takes by a name, which yargs takes as a flag of that name as well. */
export function declaredWords(command: Command): Readonly<Record<string, Options>> {
  return declared(command, ['positional']);
}

function declared(command: Command, methods: readonly string[]): Readonly<Record<string, Options>> {
  const found: Record<string, Options> = {};
  const recorder: Argv = new Proxy({} as Argv, {
    get: (_target, property) => (first: unknown, second: unknown) => {
      if (methods.includes(String(property))) {
        if (typeof first === 'string') found[first] = second ?? {};
        else Object.assign(found, first);
      }
      return recorder;
    },
  });
  command.configure?.(recorder);
  return found;
}

/** The names by which flags can be given, without dashes: `model`, `m`, and `no-stream` for a switch. */
export function flagNames(flags: Readonly<Record<string, Options>>): string[] {
  return Object.entries(flags).flatMap(([name, { alias, type }]) => [
    name,
    ...(typeof alias === 'string' ? [alias] : []),
    ...(type === 'boolean' ? [`no-${name}`] : []),
  ]);
}
