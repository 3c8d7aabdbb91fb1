import type { Argv, Options } from 'yargs';
import type { Command } from './command.ts';

/** What a command declares, without running anything: for shells and for whoever mistyped a flag. */
export function declaredFlags(command: Command): Readonly<Record<string, Options>> {
  const declared: Record<string, Options> = {};
  const recorder: Argv = new Proxy({} as Argv, {
    get: (_target, property) => (first: unknown, second: unknown) => {
      if (property === 'options' || property === 'option') {
        if (typeof first === 'string') declared[first] = second ?? {};
        else Object.assign(declared, first);
      }
      return recorder;
    },
  });
  command.configure?.(recorder);
  return declared;
}

/** The names by which flags can be given, without dashes: `model`, `m`, and `no-stream` for a switch. */
export function flagNames(flags: Readonly<Record<string, Options>>): string[] {
  return Object.entries(flags).flatMap(([name, { alias, type }]) => [
    name,
    ...(typeof alias === 'string' ? [alias] : []),
    ...(type === 'boolean' ? [`no-${name}`] : []),
  ]);
}
