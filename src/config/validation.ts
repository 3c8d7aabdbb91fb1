import { normalizeBaseUrl } from '../client/base-url.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { redactSecrets } from '../protocol/redact-secrets.ts';
import type { Json } from '../protocol/types.ts';
import { squashed } from '../protocol/request-fields.ts';
import { nearestName } from './nearest-name.ts';
import { projectParamReason, projectParams } from './project-params.ts';

/** The settings of one source (flags, environment, a file, a profile), under the names that both files use. */
export interface SettingValues {
  base_url?: string | undefined;
  /** A model that the proxy serves, or an alias. */
  model?: string | undefined;
  /** The system prompt itself. `@FILE` is a flag's spelling and means nothing here. */
  system?: string | undefined;
  /** Any other fields of the request body, as OpenAI documents them. */
  params?: Readonly<Record<string, Json>> | undefined;
  /** A path; in a file it is relative to that file. */
  output_schema?: string | undefined;
  /** A program and its arguments, whose output is the key. Never of a project file. */
  key_command?: readonly string[] | undefined;
  render?: 'auto' | 'markdown' | 'plain' | undefined;
  history?: 'on' | 'off' | undefined;
  /** Seconds, fractions too; 0 = none. */
  timeouts?: Readonly<Partial<Record<TimeoutName, number | undefined>>> | undefined;
  tags?: readonly string[] | undefined;
  /** USD that one run may cost. */
  max_cost?: number | undefined;
  /** Tokens that the input of one request may take. */
  max_input_tokens?: number | undefined;
  /** A glob that the model that answers must match. */
  require_model?: string | undefined;
  /** Off takes no reply of a fallback, and asks the proxy for none. */
  fallback?: 'on' | 'off' | undefined;
  /** Off takes no reply out of the proxy's cache, and asks for none. */
  cache?: 'on' | 'off' | undefined;
  retries?: number | undefined;
  reasoning?: 'show' | 'hide' | undefined;
  /** Rules for what models may call unasked, and never. */
  tools?: Readonly<Partial<Record<ToolList, readonly string[]>>> | undefined;
  /** Short name -> model. */
  aliases?: Readonly<Record<string, string>> | undefined;
  /** Named groups of the settings above. */
  profiles?: Readonly<Record<string, SettingValues>> | undefined;
}

export type SettingName = keyof SettingValues;
export type TimeoutName = (typeof timeoutNames)[number];
export type ToolList = (typeof toolLists)[number];

export const timeoutNames = ['connect', 'first_token', 'idle', 'total'] as const;
export const toolLists = ['allow', 'deny'] as const;

/** Fields that cllm itself writes, and fields that would send the request, or a key, somewhere else; in any spelling. */
const forbiddenParams = new Map(
  Object.entries({
    model: 'it has its own setting, `model`',
    messages: 'messages come from the prompt and the conversation',
    stream: '--stream and --no-stream say that',
    api_key: 'a key never stands in a request body',
    api_base: 'the proxy decides where a model is served',
    base_url: 'the proxy decides where a model is served',
    extra_headers: '--header sends a header to the proxy',
  }).map(([name, reason]) => [squashed(name), reason]),
);

/** A file with more unknown names is another kind of file. */
const mostUnknown = 5;

/** What a user says with each command, and no file for them: a clone must not turn a failure into exit code 0. */
const flagsOnly: ReadonlySet<string> = new Set(['allow_short', 'output_format', 'allow_unknown_cost']);

/** A base URL that is longer was not written for people to read. */
const longestUrl = 2_048;

/** Far deeper than any schema in a `response_format`. */
const maxDepth = 64;

type Reader = (value: unknown, at: Place) => unknown;

/** Where a value stands, for messages: the file (or flag, or variable) and the name inside it. */
interface Place {
  file: string;
  name: string;
  /** A project file is not the user's own word. */
  isProject: boolean;
  /** Takes a name that no setting has, and the names that are known there. */
  unknown: (name: string, known: readonly string[]) => void;
}

const readers: { readonly [Name in SettingName]-?: Reader } = {
  base_url: (value, at) => readBaseUrl(readText(value, at), at),
  model: readText,
  system: readSystem,
  params: (value, at) => readMap(value, at, readParam),
  output_schema: readText,
  key_command: readKeyCommand,
  render: (value, at) => readOneOf(value, at, ['auto', 'markdown', 'plain']),
  history: readSwitch,
  timeouts: (value, at) => readNamed(value, at, timeoutNames, readSeconds),
  tags: readTexts,
  max_cost: readUsd,
  max_input_tokens: readTokens,
  require_model: readText,
  fallback: readSwitch,
  cache: readSwitch,
  retries: readCount,
  reasoning: (value, at) => readOneOf(value, at, ['show', 'hide']),
  tools: (value, at) => readNamed(value, at, toolLists, readTexts),
  aliases: (value, at) => readMap(value, at, readText),
  profiles: (value, at) => readMap(value, at, readProfile),
};

export const settingNames = Object.keys(readers) as SettingName[];

/** Names that people give a key in a settings file. There, a key would end in backups, commits and bug reports. */
const keyName = /(^|_)(api_?)?(key|token|secret|password)$/i;

/**
 * Checks what one file (or the flags, or the environment) says. A name that nobody knows is an error, as a bad value is:
 * skipping either would do something else than was asked for.
 *
 * @param values as parsed; null or undefined for an empty file
 * @param file named in every message: a path, `environment` or `command line`
 * @param options.isProject A project file may set less: somebody else may have written it.
 * @throws UsageError `config_invalid` (or `base_url_invalid`) naming file, setting and value, or the nearest known name
 */
export function validateSettings(
  values: unknown,
  file: string,
  { isProject = false }: { isProject?: boolean } = {},
): SettingValues {
  const found: { name: string; known: readonly string[] }[] = [];
  const unknown = (name: string, known: readonly string[]): void => void found.push({ name, known });
  const settings = readSettings(values ?? {}, { file, name: '', isProject, unknown }, settingNames);
  if (found.length > 0) throw unknownSettings(found, file);
  return settings;
}

/** The search for the nearest name is work, and a file may hold many wrong ones: it is made for those that are told. */
function unknownSettings(found: readonly { name: string; known: readonly string[] }[], file: string): UsageError {
  const told = found.slice(0, mostUnknown);
  const more = found.length - told.length;
  const names = told.map(({ name }) => quote(name)).join(', ');
  const plural = found.length === 1 ? 'setting' : 'settings';
  return new UsageError(`${file}: unknown ${plural} ${names}${more === 0 ? '' : ` and ${more} more`}`, {
    code: 'config_invalid',
    hint: unknownHint(told),
  });
}

function unknownHint(told: readonly { name: string; known: readonly string[] }[]): string {
  const entryOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
  const flag = told.map(({ name }) => entryOf(name)).find((name) => flagsOnly.has(name));
  if (flag !== undefined) return `what --${flag.replaceAll('_', '-')} says is for the command line alone`;
  const meant = told.flatMap(({ name, known }) => {
    const nearest = nearestName(entryOf(name), known);
    return nearest === null ? [] : [quote(name.slice(0, name.length - entryOf(name).length) + nearest)];
  });
  const newer = 'if a newer cllm wrote it, update cllm';
  if (meant.length > 0) return `did you mean ${meant.join(', ')}? ${newer}`;
  return `known are ${(told[0]?.known ?? []).join(', ')}; ${newer}`;
}

function readSettings(value: unknown, at: Place, names: readonly SettingName[]): SettingValues {
  const settings: Record<string, unknown> = {};
  for (const [name, entry] of entriesOf(value, at)) {
    const place = { ...at, name: inside(at, name) };
    // `model:` with nothing behind it, as in a commented template, is no setting.
    if (isKnown(name, names)) {
      if (entry !== null && entry !== undefined) settings[name] = readers[name](entry, place);
    } else if (isKeyName(name)) {
      throw keyInSettings(place.name, at.file);
    } else {
      at.unknown(place.name, names);
    }
  }
  return settings;
}

function readProfile(value: unknown, at: Place, name: string): SettingValues {
  // Dots would make `profiles.a.b.model` mean two things to `cllm config set`.
  if (!/^[\w-]+$/.test(name)) {
    throw invalid(at, 'must have a name of letters, digits, _ and -');
  }
  return readSettings(
    value,
    at,
    settingNames.filter((known) => known !== 'profiles' && known !== 'aliases'),
  );
}

function readMap<Value>(
  value: unknown,
  at: Place,
  read: (entry: unknown, at: Place, name: string) => Value,
): Record<string, Value> {
  return Object.fromEntries(
    entriesOf(value, at).map(([name, entry]) => [name, read(entry, { ...at, name: inside(at, name) }, name)]),
  );
}

function readNamed(value: unknown, at: Place, names: readonly string[], read: Reader): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [name, entry] of entriesOf(value, at)) {
    if (!names.includes(name)) at.unknown(inside(at, name), names);
    else if (entry !== null && entry !== undefined) named[name] = read(entry, { ...at, name: inside(at, name) });
  }
  return named;
}

function entriesOf(value: unknown, at: Place): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    // Whatever else the file is, a key or a password say, must not be shown.
    if (at.isProject || at.name === '') {
      throw invalid(at, `must be a mapping of names to values; it is ${kindOf(value)}`);
    }
    throw invalid(at, 'must be a mapping of names to values', value);
  }
  const entries = Object.entries(value);
  // The only name that an ordinary assignment would not store but act on.
  if (entries.some(([name]) => name === '__proto__')) throw invalid(at, 'must not hold the name "__proto__"');
  return entries;
}

function readText(value: unknown, at: Place): string {
  if (typeof value !== 'string' || value.trim() === '') throw invalid(at, 'must be a text that is not empty', value);
  return value;
}

function readSystem(value: unknown, at: Place): string {
  // Its value is a prompt, and no message ever quotes a prompt.
  if (typeof value !== 'string') throw invalid(at, `must be a text, and is ${kindOf(value)}`);
  return value;
}

function readBaseUrl(url: string, at: Place): string {
  if (url.length > longestUrl) {
    throw new UsageError(`${where(at)} must be a URL of at most ${longestUrl} characters`, {
      code: 'base_url_invalid',
    });
  }
  try {
    return normalizeBaseUrl(url);
  } catch (error) {
    if (!(error instanceof CllmError)) throw error;
    throw new UsageError(`${where(at)}: ${redactSecrets(error.message)}`, {
      code: 'base_url_invalid',
      hint: error.hint === undefined ? undefined : redactSecrets(error.hint),
    });
  }
}

function readParam(value: unknown, at: Place, name: string): Json {
  const reason = forbiddenParams.get(squashed(name));
  if (reason !== undefined) throw invalid(at, `can not be a param: ${reason}`);
  const projectReason = at.isProject ? projectParamReason(name) : null;
  if (projectReason !== null) {
    throw new UsageError(`${where(at)} can not be a param of a project file: ${projectReason}`, {
      code: 'config_invalid',
      hint: `a project file may set ${Object.keys(projectParams).join(', ')}; -p and your own settings more`,
    });
  }
  assertJson(value, at);
  return value;
}

/** YAML can say more than JSON can: dates, NaN, byte strings. None of them would reach the proxy as it was meant. */
function assertJson(value: unknown, at: Place, depth = 0): asserts value is Json {
  // An alias of YAML may stand inside what it is an alias of, and then there is no end.
  if (depth > maxDepth) throw invalid(at, 'is nested too deeply');
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (Array.isArray(value) || isPlainObject(value)) {
    for (const [name, entry] of Object.entries(value))
      assertJson(entry, { ...at, name: depth < 8 ? `${at.name}.${name}` : at.name }, depth + 1);
    return;
  }
  throw invalid(at, `must be a JSON value, and is ${kindOf(value)}`);
}

function readKeyCommand(value: unknown, at: Place): readonly string[] {
  if (at.isProject) {
    throw new UsageError(`${where(at)} can not stand in a project file: it would run a command of a stranger's`, {
      code: 'config_invalid',
      hint: 'remove it there; it is a setting of your own file: cllm config path',
    });
  }
  const words: readonly unknown[] = Array.isArray(value) ? value : [];
  const isWord = (word: unknown): word is string => typeof word === 'string' && !word.includes('\0');
  // A path from the working directory would be a repository's.
  const isProgram = (word: unknown): boolean =>
    isWord(word) && word !== '' && (!/[/\\]/.test(word) || /^(?:\/|[A-Za-z]:[/\\])/.test(word));
  if (!words.every(isWord) || !isProgram(words[0]))
    throw invalid(at, 'must be a list of words: a program, by its name or its whole path, and its arguments');
  return [...words];
}

function readSeconds(value: unknown, at: Place): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw invalid(at, 'must be a number of seconds, 0 (none) or more', value);
  }
  return value;
}

function readUsd(value: unknown, at: Place): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw invalid(at, 'must be a number of USD, 0 or more', value);
}

function readCount(value: unknown, at: Place): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(at, 'must be a whole number, 0 or more', value);
}

function readTokens(value: unknown, at: Place): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw invalid(at, 'must be a whole number of tokens, 1 or more', value);
}

/** YAML 1.1 habits and JSON both write switches as booleans. */
function readSwitch(value: unknown, at: Place): 'on' | 'off' {
  return readOneOf(value === true ? 'on' : value === false ? 'off' : value, at, ['on', 'off']);
}

function readTexts(value: unknown, at: Place): string[] {
  if (!Array.isArray(value)) throw invalid(at, 'must be a list of texts', value);
  return value.map((text, index) => readText(text, { ...at, name: `${at.name}[${index}]` }));
}

function readOneOf<const Words extends readonly string[]>(value: unknown, at: Place, words: Words): Words[number] {
  if (typeof value === 'string' && words.includes(value)) return value;
  const nearest = typeof value === 'string' ? nearestName(value, words) : null;
  throw invalid(at, `must be ${words.join(', ').replace(/, (\w+)$/, ' or $1')}`, value, nearest);
}

function isKnown(name: string, names: readonly SettingName[]): name is SettingName {
  return (names as readonly string[]).includes(name);
}

function isKeyName(name: string): boolean {
  return keyName.test(name.replaceAll('-', '_').replaceAll(/([a-z])([A-Z])/g, '$1_$2'));
}

function keyInSettings(name: string, file: string): UsageError {
  return new UsageError(`${file}: ${quote(name)} looks like a key, and a key never stands in the settings`, {
    code: 'config_invalid',
    hint: 'remove it there and enter it with `cllm login`, or set LITELLM_PROXY_API_KEY',
  });
}

function invalid(at: Place, rule: string, value?: unknown, nearest: string | null = null): UsageError {
  return new UsageError(`${where(at)} ${rule}${value === undefined ? '' : `; it is ${show(value)}`}`, {
    code: 'config_invalid',
    hint: nearest === null ? undefined : `did you mean ${quote(nearest)}?`,
  });
}

function where(at: Place): string {
  if (at.name === '') return at.file;
  return `${at.file}: ${at.isProject ? shownName(at.name) : redactSecrets(at.name)}`;
}

/** A name out of a file: as it is where it looks like one, else only that it is there. */
function shownName(name: string): string {
  return /^[\p{L}\p{N}_.:/@[\]-]{1,80}$/u.test(name) ? redactSecrets(name) : `a name of ${name.length} characters`;
}

function inside(at: Place, name: string): string {
  return at.name === '' ? name : `${at.name}.${name}`;
}

/** A value in a message: short, and never the look of a key, which people do paste into the wrong line. */
function show(value: unknown): string {
  const isPlain = value === null || value === undefined || ['number', 'bigint', 'boolean'].includes(typeof value);
  if (typeof value !== 'string' && !isPlain) return kindOf(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : `${value as number | boolean | null}`;
  const safe = redactSecrets(text);
  return safe.length > 60 ? `${safe.slice(0, 60)}…` : safe;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/**
 * A name that no setting has. It may be anything, a line of a file of passwords too: only what looks like a setting that
 * was mistyped is repeated.
 */
function quote(name: string): string {
  const isLikeOne = name.split('.').every((part) => /^[\p{L}_-]{1,24}$/u.test(part));
  return isLikeOne && name.length <= 60 ? JSON.stringify(name) : `(a name of ${name.length} characters)`;
}
