import type { Json } from '../protocol/types.ts';
import type { ApiKey } from './api-key.ts';
import { describeOrigin, type Origin, type Setting, type Settings } from './settings.ts';
import { toolLists, validateSettings } from './validation.ts';

/** One line of `config explain`. */
export interface Explanation {
  /** As `config get` and `config set` take it, e.g. `timeouts.idle`. */
  name: string;
  /** Null when nothing is set. */
  value: Json;
  /** `--model`, `CLLM_MODEL`, a file, `default`. */
  origin: string;
}

/** Every setting with its value and where that came from; the key, masked, as the last one if it is given. */
export function explainSettings(settings: Settings, apiKey: ApiKey | null = null): Explanation[] {
  const rows: Explanation[] = [];
  const add = (name: string, { value, origin }: { value: Json; origin: Origin }): void => {
    rows.push({ name, value, origin: describeOrigin(origin) });
  };
  const addEntries = (group: string, entries: Readonly<Record<string, Setting<Json>>>): void => {
    for (const [name, setting] of Object.entries(entries)) add(`${group}.${name}`, setting);
  };
  add('base_url', settings.baseUrl);
  add('model', settings.model);
  add('system', settings.system);
  addEntries('params', settings.params);
  add('output_schema', settings.outputSchema);
  const { value: command } = settings.keyCommand;
  add('key_command', { ...settings.keyCommand, value: command === null ? null : [...command] });
  add('render', settings.render);
  add('history', settings.history);
  const { connect, firstToken, idle, total } = settings.timeouts;
  addEntries('timeouts', { connect, first_token: firstToken, idle, total });
  add('max_cost', settings.maxCost);
  add('max_input_tokens', settings.maxInputTokens);
  add('require_model', settings.requireModel);
  add('fallback', settings.fallback);
  add('cache', settings.cache);
  add('retries', settings.retries);
  add('reasoning', settings.reasoning);
  add('tags', { ...settings.tags, value: [...settings.tags.value] });
  for (const list of toolLists) {
    const rules = settings.tools[list];
    const origins = rules.map(({ origin }) => describeOrigin(origin));
    const origin = origins.length === 0 ? 'default' : [...new Set(origins)].join(', ');
    rows.push({ name: `tools.${list}`, value: rules.map(({ value }) => value), origin });
  }
  addEntries('aliases', settings.aliases);
  if (apiKey !== null) rows.push({ name: 'api_key', value: apiKey.maskedKey, origin: apiKey.origin });
  return rows;
}

/**
 * The value in force under a name, or those of a group (`timeouts`) as an object; undefined when nothing is set.
 *
 * @throws UsageError `config_invalid` when no setting has that name
 */
export function getSetting(settings: Settings, name: string): Json | undefined {
  const rows = explainSettings(settings);
  const row = rows.find((candidate) => candidate.name === name);
  if (row !== undefined) return row.value ?? undefined;
  const group = rows.filter((candidate) => candidate.name.startsWith(`${name}.`));
  if (group.length > 0) {
    return Object.fromEntries(group.map((entry) => [entry.name.slice(name.length + 1), entry.value]));
  }
  assertName(name);
  return undefined;
}

/** A group may lack an entry (no such alias); timeouts are all there, so an entry not found is a name not known. */
function assertName(name: string): void {
  const [group = '', ...rest] = name.split('.');
  const isOpenGroup = ['params', 'aliases', 'profiles'].includes(group);
  validateSettings({ [rest.length === 0 || isOpenGroup ? group : name]: null }, 'cllm config get');
}
