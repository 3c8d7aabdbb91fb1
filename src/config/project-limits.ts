import type { Json } from '../protocol/types.ts';
import { limitParams } from './project-params.ts';
import type { Setting, Settings } from './settings.ts';

/** The settings that a project file may tighten, and never loosen. */
export type Limits = Pick<
  Settings,
  'timeouts' | 'params' | 'maxCost' | 'maxInputTokens' | 'requireModel' | 'fallback' | 'cache' | 'retries' | 'history'
>;

/**
 * Of limits a project file may only tighten: where the user's own settings (flags, environment, user file, defaults) are
 * stricter they hold, and what was not taken is told. A repository must not make a job wait for ever. A cap on the cost,
 * or on the size of a request, holds whoever set it: the lowest counts, also under a flag.
 *
 * @param decided as the precedence of the layers has it
 * @param own the same without the project file
 * @param project what the project file says by itself
 */
export function tightened(decided: Limits, own: Limits, project: Limits): Limits & { projectNotTaken: string[] } {
  const projectNotTaken: string[] = [];
  const strictest = <Value extends Json>(
    name: string,
    given: Setting<Value>,
    users: Setting<Value> | undefined,
    isLooser: (given: Value, users: Value) => boolean,
  ): Setting<Value> => {
    const isProjects = given.origin.from === 'project file' || given.origin.from === 'template';
    if (!isProjects || users === undefined || !isLooser(given.value, users.value)) return given;
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
  const limit = lowestLimit(own.params);
  const params = Object.fromEntries(
    Object.entries(decided.params).flatMap(([name, given]) => {
      if (!limitParams.includes(name)) return [[name, given]];
      const users = own.params[name];
      // The two names are of one limit: what the user set by one can not be raised by the other.
      const taken = strictest(`params.${name}`, given, users ?? limit, isMore);
      return taken === given || users !== undefined ? [[name, taken]] : [];
    }),
  );
  const cap = project.maxCost.value === null ? own.maxCost : project.maxCost;
  const size = project.maxInputTokens.value === null ? own.maxInputTokens : project.maxInputTokens;
  return {
    timeouts,
    params,
    maxCost: strictest('max_cost', cap, own.maxCost, isMore),
    maxInputTokens: strictest('max_input_tokens', size, own.maxInputTokens, isMore),
    requireModel: strictest('require_model', decided.requireModel, own.requireModel, isOther),
    fallback: strictest('fallback', decided.fallback, own.fallback, isOn),
    cache: strictest('cache', decided.cache, own.cache, isOn),
    retries: strictest('retries', decided.retries, own.retries, isMore),
    history: strictest('history', decided.history, own.history, isOn),
    projectNotTaken,
  };
}

function lowestLimit(params: Settings['params']): Setting<Json> | undefined {
  const limits = limitParams.flatMap((name) => params[name] ?? []).filter(({ value }) => typeof value === 'number');
  return limits.toSorted((one, other) => Number(one.value) - Number(other.value))[0];
}

/** 0 is none, and so the longest of all. */
function isLonger(seconds: number, than: number): boolean {
  return (seconds || Infinity) > (than || Infinity);
}

function isMore(given: Json, than: Json): boolean {
  return typeof than === 'number' && !(typeof given === 'number' && given <= than);
}

/** Which of two globs lets less through nobody can tell: the user's own stays. */
function isOther(given: Json, than: Json): boolean {
  return than !== null && given !== than;
}

function isOn(given: Json, than: Json): boolean {
  return given === 'on' && than === 'off';
}

function shown(value: Json): string {
  return JSON.stringify(value).slice(0, 40);
}
