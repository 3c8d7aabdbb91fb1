import { dirname, resolve } from 'node:path';
import { UsageError } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';
import type { Json } from '../protocol/types.ts';
import { nearestName } from './nearest-name.ts';
import { configPaths, type Environment } from './paths.ts';
import { findProjectFile, type ProjectFile, projectPath, readProjectFile, searchOptions } from './project-file.ts';
import { type Limits, tightened } from './project-limits.ts';
import { shellWord } from '../protocol/shell-word.ts';
import { isInlineSchema } from '../schema/short-form.ts';
import { readUserFile } from './user-file.ts';
import { timeoutNames, validateSettings, type SettingValues, type TimeoutName, type ToolList } from './validation.ts';

/** Where a value came from. */
export type Origin =
  | { from: 'flag' | 'environment'; name: string }
  | { from: 'project file' | 'user file'; file: string; profile: string | null }
  | { from: 'template'; file: string }
  | { from: 'default' };

/** A value and where it came from. */
export interface Setting<Value> {
  value: Value;
  origin: Origin;
}

/** Everything that was decided, from every source, for one run. */
export interface Settings {
  /** Normalised: no trailing slash, no `/v1`. */
  baseUrl: Setting<string>;
  /** What `baseUrl` would be without a project file: keys that are bound to no URL go there and nowhere else. */
  ownBaseUrl: string;
  /** The model to ask for, aliases followed; null when nobody chose one. */
  model: Setting<string | null>;
  /** The system prompt's text; null when there is none. */
  system: Setting<string | null>;
  /** Further fields of the request body, merged over all sources field by field. */
  params: Readonly<Record<string, Setting<Json>>>;
  /** Absolute path of a JSON schema; null when there is none. */
  outputSchema: Setting<string | null>;
  render: Setting<'auto' | 'markdown' | 'plain'>;
  history: Setting<'on' | 'off'>;
  /** Seconds, 0 = none. */
  timeouts: Readonly<Record<'connect' | 'firstToken' | 'idle' | 'total', Setting<number>>>;
  tags: Setting<readonly string[]>;
  /** USD that one run may cost, the lowest of all that were named; null when nobody named one. */
  maxCost: Setting<number | null>;
  /** Tokens that one request may take, the lowest of all that were named; null when nobody named one. */
  maxInputTokens: Setting<number | null>;
  /** The user's own program that tells the key; null when there is none. */
  keyCommand: Setting<readonly string[] | null>;
  /** A glob that the model that answers must match; null when any may. */
  requireModel: Setting<string | null>;
  fallback: Setting<'on' | 'off'>;
  cache: Setting<'on' | 'off'>;
  retries: Setting<number>;
  /** Null: shown at a terminal alone. */
  reasoning: Setting<'show' | 'hide' | null>;
  /** Rules of every source, the strongest first. */
  tools: Readonly<Record<ToolList, readonly Setting<string>[]>>;
  aliases: Readonly<Record<string, Setting<string>>>;
  /** The profile that was asked for, and those that exist. */
  profile: string | null;
  profiles: readonly string[];
  /** The files that were looked at; `projectFile` is null when there is none. */
  userFile: string;
  projectFile: string | null;
  /** The folder of the project file, without links. */
  projectFolder: string | null;
  /** What the project file sets and does not get, with the reason. */
  projectNotTaken: readonly string[];
  /** Lines for people: a project file that is not obeyed. */
  warnings: readonly string[];
}

/** One file, parsed but not checked. */
export interface SettingsFile {
  file: string;
  values: unknown;
  /** Where it is, without links; by default the folder of `file`. */
  folder?: string;
  /** Whether a rule of a project file that allows a tool counts; by default none does. */
  isToolTrusted?: (rule: string) => boolean;
}

/** What a template sets: after the flags, before everything else. */
export interface TemplateSettings {
  file: string;
  /** Checked already; paths are absolute. */
  values: SettingValues;
  /** It came with a repository: as a project file it may only tighten limits. */
  isProjects: boolean;
  /** Somebody allowed it: then it may allow tools, too. */
  isTrusted?: boolean;
}

export interface SettingsSources {
  template?: TemplateSettings | null;
  /** What the command line said, under the names of the files. Relative paths are taken from `cwd`. */
  flags?: SettingValues;
  /** The profile to use (`--profile`). */
  profile?: string | undefined;
  env: Environment;
  cwd: string;
  /** The user that the process runs as; null, where the platform has none, makes every file one's own. */
  uid?: number | null;
  /** `--trust-project`. */
  isProjectTrusted?: boolean;
}

const defaults = {
  base_url: 'http://localhost:4000',
  render: 'auto',
  history: 'on',
  timeouts: { connect: 10, first_token: 300, idle: 120, total: 0 },
  tags: [],
  fallback: 'on',
  cache: 'on',
  retries: 2,
} satisfies SettingValues;

/** A source of values, and how to say where one of them came from. */
interface Layer {
  values: SettingValues;
  origin: (name: string) => Origin;
  /** Null takes every rule that allows a tool. */
  isToolTrusted: ((rule: string) => boolean) | null;
}

/**
 * Finds and reads the two files and resolves everything.
 *
 * @param sources.uid The user that the process runs as; null where the platform has none.
 * @throws UsageError `config_invalid`, `base_url_invalid` (naming file, setting and value) or `usage` (unknown profile)
 */
export async function loadSettings(sources: SettingsSources & { uid: number | null }): Promise<Settings> {
  const { userFile } = configPaths(sources.env, sources.cwd);
  const user = { file: userFile, values: readUserFile(userFile, sources.uid) };
  const found = findProjectFile(sources.cwd, searchOptions(sources));
  if (found === null) return resolveSettings({ ...sources, userFile: user, projectFile: null });
  if (!(await isObeyed(found, sources))) {
    const settings = resolveSettings({ ...sources, userFile: user, projectFile: null });
    return { ...settings, warnings: [...settings.warnings, notObeyed(found)] };
  }
  const values = await readProjectFile(found);
  return resolveSettings({
    ...sources,
    userFile: user,
    projectFile: {
      file: found.file,
      folder: found.folder,
      values,
      isToolTrusted: await toolTrust(values, found, sources),
    },
  });
}

/** The file's rules that somebody allowed; nobody is looked for where it has none. */
async function toolTrust(
  values: unknown,
  { folder }: ProjectFile,
  { env, cwd, uid }: SettingsSources & { uid: number | null },
): Promise<(rule: string) => boolean> {
  const profiles = isJsonObject(values) && isJsonObject(values['profiles']) ? Object.values(values['profiles']) : [];
  if (![values, ...profiles].some((each) => isJsonObject(each) && each['tools'] !== undefined)) return () => false;
  const { TrustStore } = await import('./trust.ts');
  const store = new TrustStore(configPaths(env, cwd).trustDirectory, uid);
  return (rule) => store.has({ kind: 'tool', folder, value: rule });
}

/** A file of another user counts once somebody said so: for the folder, for its base URL, or for this run. */
async function isObeyed(found: ProjectFile, sources: SettingsSources): Promise<boolean> {
  const { strangerUid, folder } = found;
  if (strangerUid === null || sources.isProjectTrusted === true) return true;
  const { env, cwd, uid = null } = sources;
  const { trustedUrls, TrustStore } = await import('./trust.ts');
  const store = new TrustStore(configPaths(env, cwd).trustDirectory, uid);
  if (store.has({ kind: 'owner', folder, value: String(strangerUid) })) return true;
  const urls = trustedUrls(env);
  if (urls.length === 0) return false;
  const { base_url: baseUrl } = validateSettings(await readProjectFile(found), found.file, { isProject: true });
  return baseUrl !== undefined && urls.includes(baseUrl);
}

function notObeyed({ file, folder, strangerUid }: ProjectFile): string {
  return (
    `${file} is not obeyed: it, or its folder, belongs to another user (uid ${strangerUid}). ` +
    `If you know it: cllm config trust ${shellWord(folder, 'DIR')}; for one run: --trust-project`
  );
}

/**
 * flag > environment > project file > user file > default, setting by setting; `params`, `timeouts` and `aliases` entry
 * by entry. A profile is a group of settings that a flag asks for, so its values come right after the flags: the
 * project file's profile of that name first, then the user's.
 */
export function resolveSettings(
  sources: SettingsSources & { userFile: SettingsFile; projectFile: SettingsFile | null },
): Settings {
  const user = fileLayers(
    validateSettings(sources.userFile.values, sources.userFile.file),
    'user file',
    sources.userFile,
  );
  const project =
    sources.projectFile === null
      ? null
      : fileLayers(
          validateSettings(sources.projectFile.values, sources.projectFile.file, { isProject: true }),
          'project file',
          sources.projectFile,
        );
  const profile = sources.profile ?? null;
  const profiles = [...new Set([...(project?.profiles.keys() ?? []), ...user.profiles.keys()])];
  if (profile !== null && !profiles.includes(profile)) throw unknownProfile(profile, profiles);

  const flags: Layer = {
    values: validateSettings(sources.flags, 'command line'),
    origin: (name) => ({ from: 'flag', name: flagOf(name) }),
    isToolTrusted: null,
  };
  const environment: Layer = {
    values: validateSettings(environmentValues(sources.env), 'environment'),
    origin: environmentOrigin,
    isToolTrusted: null,
  };
  const profilesOf = (files: FileLayers[]): Layer[] => files.flatMap((file) => file.profiles.get(profile ?? '') ?? []);
  const { template = null } = sources;
  const templateLayers: Layer[] =
    template === null
      ? []
      : [
          {
            values: template.values,
            origin: () => ({ from: 'template', file: template.file }),
            isToolTrusted: template.isProjects && template.isTrusted !== true ? () => false : null,
          },
        ];
  const projectTemplate = template?.isProjects === true ? templateLayers : [];
  const ownTemplate = template?.isProjects === true ? [] : templateLayers;
  const layersOf = (files: FileLayers[], templates: Layer[]): Layer[] => [
    flags,
    ...templates,
    ...profilesOf(files),
    environment,
    ...files.map((file) => file.whole),
    { values: defaults, origin: () => ({ from: 'default' }), isToolTrusted: null },
  ];
  const own = layersOf([user], ownTemplate);
  const layers = layersOf(project === null ? [user] : [project, user], templateLayers);
  const projects: Layer[] = [
    ...projectTemplate,
    ...(project === null ? [] : [...profilesOf([project]), project.whole]),
  ];

  const decidedBy = (from: readonly Layer[]): Limits => ({
    params: mergeEntries(from, 'params'),
    timeouts: pickTimeouts(from),
    maxCost: pick(from, 'max_cost', null),
    maxInputTokens: pick(from, 'max_input_tokens', null),
    requireModel: pick(from, 'require_model', null),
    fallback: pick(from, 'fallback', defaults.fallback),
    cache: pick(from, 'cache', defaults.cache),
    retries: pick(from, 'retries', defaults.retries),
    history: pick(from, 'history', defaults.history),
  });
  const decided = decidedBy(layers);
  const { projectNotTaken, ...limits } =
    projects.length === 0
      ? { ...decided, projectNotTaken: [] }
      : tightened(decided, decidedBy(own), decidedBy(projects));
  const { tools, notTaken } = toolRules(layers);
  const aliases = mergeEntries(layers, 'aliases');
  const model = pick(layers, 'model', null);
  return {
    baseUrl: pick(layers, 'base_url', defaults.base_url),
    ownBaseUrl: pick(own, 'base_url', defaults.base_url).value,
    model: { ...model, value: model.value === null ? null : followAlias(model.value, aliases) },
    system: pick(layers, 'system', null),
    ...limits,
    projectNotTaken: [...projectNotTaken, ...notTaken],
    tools,
    // Nobody but the user's own file says what runs for a key, no template either.
    keyCommand: pick([...profilesOf([user]), user.whole], 'key_command', null),
    outputSchema: schemaPath(pick(layers, 'output_schema', null), sources.cwd),
    render: pick(layers, 'render', defaults.render),
    reasoning: pick(layers, 'reasoning', null),
    tags: pick(layers, 'tags', defaults.tags),
    aliases,
    profile,
    profiles,
    userFile: sources.userFile.file,
    projectFile: sources.projectFile?.file ?? null,
    projectFolder: sources.projectFile?.folder ?? (sources.projectFile && dirname(sources.projectFile.file)),
    warnings: [],
  };
}

/** The model that a name stands for: an alias is followed once, any other name is itself. */
export function followAlias(model: string, aliases: Settings['aliases']): string {
  return Object.hasOwn(aliases, model) ? (aliases[model]?.value ?? model) : model;
}

/** Whether nobody but the project file names the base URL: then it is a stranger's until somebody allows it. */
export function isProjectsAlone({ baseUrl, ownBaseUrl }: Pick<Settings, 'baseUrl' | 'ownBaseUrl'>): boolean {
  return baseUrl.origin.from === 'project file' && baseUrl.value !== ownBaseUrl;
}

/** The plain values of `params`, ready for a request body. */
export function paramValues(params: Settings['params']): Record<string, Json> {
  return Object.fromEntries(Object.entries(params).map(([name, setting]) => [name, setting.value]));
}

/** Where a value came from, in the words of whoever could change it: `--model`, `CLLM_MODEL`, a file, `default`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.from) {
    case 'flag':
    case 'environment':
      return origin.name;
    case 'template':
      return origin.file;
    case 'project file':
    case 'user file':
      return origin.profile === null ? origin.file : `${origin.file} (profile ${origin.profile})`;
    case 'default':
      return 'default';
  }
}

interface FileLayers {
  whole: Layer;
  profiles: ReadonlyMap<string, Layer>;
}

function fileLayers(
  values: SettingValues,
  from: 'project file' | 'user file',
  { file, isToolTrusted = () => false }: SettingsFile,
): FileLayers {
  const layer = (own: SettingValues, profile: string | null): Layer => ({
    values: own,
    origin: () => ({ from, file, profile }),
    isToolTrusted: from === 'project file' ? isToolTrusted : null,
  });
  return {
    whole: layer(values, null),
    profiles: new Map(Object.entries(values.profiles ?? {}).map(([name, own]) => [name, layer(own, name)])),
  };
}

function environmentValues(env: Environment): SettingValues {
  // An empty variable is how a shell or a CI job says "not set".
  return { base_url: env['LITELLM_PROXY_URL'] || undefined, model: env['CLLM_MODEL'] || undefined };
}

function environmentOrigin(name: string): Origin {
  return { from: 'environment', name: name === 'base_url' ? 'LITELLM_PROXY_URL' : 'CLLM_MODEL' };
}

/** The highest layer that says something. */
function pick<Name extends keyof SettingValues, Fallback>(
  layers: readonly Layer[],
  name: Name,
  fallback: Fallback,
): Setting<NonNullable<SettingValues[Name]> | Fallback> {
  for (const layer of layers) {
    const value = layer.values[name];
    if (value !== undefined) return { value, origin: layer.origin(name) };
  }
  return { value: fallback, origin: { from: 'default' } };
}

function mergeEntries<Name extends 'params' | 'aliases'>(
  layers: readonly Layer[],
  name: Name,
): Record<string, Setting<NonNullable<SettingValues[Name]>[string]>> {
  type Value = NonNullable<SettingValues[Name]>[string];
  const merged = new Map<string, Setting<Value>>();
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer.values[name] ?? {}) as [string, Value][]) {
      if (!merged.has(key)) merged.set(key, { value, origin: layer.origin(`${name}.${key}`) });
    }
  }
  return Object.fromEntries(merged);
}

/**
 * Rules add up. One that denies counts whoever wrote it, and one that allows from a file that came with a repository only
 * once somebody said so.
 */
function toolRules(layers: readonly Layer[]): { tools: Settings['tools']; notTaken: string[] } {
  const notTaken: string[] = [];
  const rules = (list: ToolList): Setting<string>[] =>
    layers.flatMap(({ values, origin, isToolTrusted }) =>
      (values.tools?.[list] ?? []).flatMap((value) => {
        const setting = { value, origin: origin(`tools.${list}`) };
        if (list === 'deny' || isToolTrusted === null || isToolTrusted(value)) return [setting];
        notTaken.push(`tools.allow ${JSON.stringify(value).slice(0, 80)}, since nobody allowed it`);
        return [];
      }),
    );
  return { tools: { allow: rules('allow'), deny: rules('deny') }, notTaken };
}

function pickTimeouts(layers: readonly Layer[]): Settings['timeouts'] {
  const timeout = (name: TimeoutName): Setting<number> => {
    const layer = layers.find((candidate) => candidate.values.timeouts?.[name] !== undefined);
    return {
      value: layer?.values.timeouts?.[name] ?? defaults.timeouts[name],
      origin: layer?.origin(`timeouts.${name}`) ?? { from: 'default' },
    };
  };
  const [connect, firstToken, idle, total] = timeoutNames;
  return { connect: timeout(connect), firstToken: timeout(firstToken), idle: timeout(idle), total: timeout(total) };
}

function schemaPath(setting: Setting<string | null>, cwd: string): Setting<string | null> {
  const { value, origin } = setting;
  if (value === null || origin.from === 'template') return setting;
  if (origin.from === 'flag' && isInlineSchema(value)) return setting;
  if (origin.from === 'project file') return { value: projectPath(origin.file, value, 'output_schema'), origin };
  return { value: resolve(origin.from === 'user file' ? dirname(origin.file) : cwd, value), origin };
}

/** Body fields with a flag of their own; every other one comes from `--param`. */
const ownFlags = ['temperature', 'max_tokens', 'top_p', 'seed', 'stop', 'reasoning_effort'];

function flagOf(name: string): string {
  const [group, entry] = split(name);
  if (entry === null) return group === 'tags' ? '--tag' : dashed(group);
  if (group === 'tools') return `--${entry}`;
  if (group === 'timeouts') return entry === 'total' ? '--timeout' : `${dashed(entry)}-timeout`;
  return ownFlags.includes(entry) ? dashed(entry) : `--param ${entry}`;
}

function dashed(words: string): string {
  return `--${words.replaceAll('_', '-')}`;
}

function split(name: string): [group: string, entry: string | null] {
  const dot = name.indexOf('.');
  return dot === -1 ? [name, null] : [name.slice(0, dot), name.slice(dot + 1)];
}

function unknownProfile(profile: string, profiles: readonly string[]): UsageError {
  const nearest = nearestName(profile, profiles);
  return new UsageError(`there is no profile ${JSON.stringify(profile)}`, {
    hint:
      nearest !== null
        ? `did you mean ${JSON.stringify(nearest)}?`
        : profiles.length > 0
          ? `the profiles are ${profiles.join(', ')}`
          : 'profiles stand under `profiles` in cllm.yaml or in the user file',
  });
}
