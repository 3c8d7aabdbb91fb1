import type { Json } from '../protocol/types.ts';
import { limitParams } from './project-params.ts';
import type { Setting, Settings } from './settings.ts';

type Decided = Pick<Settings, 'timeouts' | 'params'>;

/**
 * Of limits a project file may only tighten: where the user's own settings (flags, environment, user file, defaults) are
 * stricter they hold, and what was not taken is told. A repository must not make a job wait for ever.
 *
 * @param decided as the precedence of the layers has it
 * @param own the same without the project file
 */
export function tightened(decided: Decided, own: Decided): Decided & { projectNotTaken: string[] } {
  const projectNotTaken: string[] = [];
  const strictest = <Value extends Json>(
    name: string,
    given: Setting<Value>,
    users: Setting<Value> | undefined,
    isLooser: (given: Value, users: Value) => boolean,
  ): Setting<Value> => {
    if (given.origin.from !== 'project file' || users === undefined || !isLooser(given.value, users.value))
      return given;
    projectNotTaken.push(`${name} ${shown(given.value)}, since ${shown(users.value)} is stricter`);
    return users;
  };
  const timeout = (name: keyof Settings['timeouts'], inFile: string): Setting<number> =>
    strictest(`timeouts.${inFile}`, decided.timeouts[name], own.timeouts[name], isLonger);
  const timeouts = {
    connect: timeout('connect', 'connect'),
    firstToken: timeout('firstToken', 'first_token'),
    idle: timeout('idle', 'idle'),
    total: timeout('total', 'total'),
  };
  const params = Object.fromEntries(
    Object.entries(decided.params).map(([name, given]) => [
      name,
      limitParams.includes(name) ? strictest(`params.${name}`, given, own.params[name], isMore) : given,
    ]),
  );
  return { timeouts, params, projectNotTaken };
}

/** 0 is none, and so the longest of all. */
function isLonger(seconds: number, than: number): boolean {
  return (seconds || Infinity) > (than || Infinity);
}

function isMore(given: Json, than: Json): boolean {
  return typeof than === 'number' && !(typeof given === 'number' && given <= than);
}

function shown(value: Json): string {
  return JSON.stringify(value).slice(0, 40);
}
