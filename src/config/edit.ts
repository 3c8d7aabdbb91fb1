import { resolve } from 'node:path';
import { UsageError } from '../outcome/errors.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { isJsonObject } from '../protocol/json.ts';
import type { Json } from '../protocol/types.ts';
import { changeUserFile, readUserFile } from './user-file.ts';
import { type ToolList, toolLists, validateSettings } from './validation.ts';
import { shellWord } from '../protocol/shell-word.ts';

type Values = Readonly<Record<string, unknown>>;

/** Settings that hold others under names of their own. */
const groups = ['timeouts', 'params', 'tools', 'aliases', 'profiles'];

/**
 * Sets a value in the user file: `model`, `timeouts.idle`, `params.seed`, `aliases.gpt-4.1`, `profiles.review.model`.
 *
 * @param text as typed: a number for a timeout, JSON or plain text for a param, JSON for a command, JSON or words with commas
 *   for tags, JSON or one rule for tools
 * @param check looks at the rules for tools, before anything is written
 * @returns the value as it was stored, and where a broken user file was moved to
 * @throws UsageError `config_invalid` for an unknown name or a bad value; the file is then as it was
 */
export async function setSetting(
  userFile: string,
  name: string,
  text: string,
  cwd: string,
  own: OwnProcess,
  check: (list: ToolList, rules: readonly string[]) => void = () => {},
): Promise<{ value: Json; movedTo: string | null }> {
  const path = settingPath(name);
  const checked = validateSettings(withValue({}, path, parseValue(path, text, cwd)), userFile);
  const value = valueAt(checked as Values, path);
  if (value === undefined) {
    throw new UsageError(`${name} needs a value`, {
      code: 'config_invalid',
      hint: `\`cllm config unset ${shellWord(name, 'NAME')}\` removes it`,
    });
  }
  for (const list of toolLists) {
    const { tools, profiles = {} } = checked;
    for (const each of [tools, ...Object.values(profiles).map((profile) => profile.tools)])
      if (each?.[list] !== undefined) check(list, each[list]);
  }
  const { movedTo } = await changeUserFile(userFile, own, (values) => withValue(values, path, value));
  return { value: value as Json, movedTo };
}

/** Takes a name out of the user file, also one that no setting has; false when it was not there. */
export async function unsetSetting(userFile: string, name: string, own: OwnProcess): Promise<boolean> {
  const path = settingPath(name);
  if (valueAt(readUserFile(userFile, own.uid) ?? {}, path) === undefined) return false;
  await changeUserFile(userFile, own, (values) => withValue(values, path, undefined));
  return true;
}

/** What the user file itself says, under the names that `setSetting` takes. Unknown names are among them. */
export function listUserSettings(userFile: string, uid: number | null): { name: string; value: Json }[] {
  return flatten(readUserFile(userFile, uid) ?? {}, '');
}

function flatten(values: Values, prefix: string): { name: string; value: Json }[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (!groups.includes(name) || !isJsonObject(value)) return [{ name: prefix + name, value: value as Json }];
    return Object.entries(value).flatMap(([entry, inner]) =>
      name === 'profiles' && isJsonObject(inner)
        ? flatten(inner, `${prefix}profiles.${entry}.`)
        : [{ name: `${prefix}${name}.${entry}`, value: inner as Json }],
    );
  });
}

/**
 * `timeouts.idle` -> [timeouts, idle]. Only groups are split, and `aliases.` and `params.` only once: what follows is
 * one name, for models have dots in theirs.
 */
function settingPath(name: string): string[] {
  const [group, rest] = splitAtDot(name);
  if (rest === null || !groups.includes(group)) return [name];
  if (group !== 'profiles') return [group, rest];
  const [profile, setting] = splitAtDot(rest);
  return setting === null ? [group, profile] : [group, profile, ...settingPath(setting)];
}

function splitAtDot(name: string): [before: string, after: string | null] {
  const dot = name.indexOf('.');
  return dot === -1 ? [name, null] : [name.slice(0, dot), name.slice(dot + 1)];
}

/** What was typed, as the kind of value that the setting takes; whether it fits is for the validation to say. */
function parseValue(path: readonly string[], text: string, cwd: string): unknown {
  const [name, entry] = path[0] === 'profiles' ? path.slice(2) : path;
  if (name === undefined || (groups.includes(name) && entry === undefined)) return parseJson(text);
  if (['timeouts', 'max_cost', 'max_input_tokens', 'retries'].includes(name))
    return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  if (name === 'params' || name === 'key_command') return parseJson(text);
  // A rule may hold a comma.
  if (name === 'tools') return text.trimStart().startsWith('[') ? parseJson(text) : [text];
  if (name === 'output_schema') return resolve(cwd, text);
  if (name !== 'tags') return text;
  return text.trimStart().startsWith('[') ? parseJson(text) : text.split(',').map((tag) => tag.trim());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function valueAt(values: Values, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined),
    values,
  );
}

/** The same values with one changed, or taken out (undefined) together with the groups that this leaves empty. */
function withValue(values: Values, path: readonly string[], value: unknown): Record<string, unknown> {
  const [name = '', ...rest] = path;
  const entries = new Map(Object.entries(values));
  const inner = entries.get(name);
  const changed = rest.length === 0 ? value : withValue(isJsonObject(inner) ? inner : {}, rest, value);
  const isLeftEmpty = value === undefined && isJsonObject(changed) && Object.keys(changed).length === 0;
  if (changed === undefined || isLeftEmpty) entries.delete(name);
  else entries.set(name, changed);
  return Object.fromEntries(entries);
}
