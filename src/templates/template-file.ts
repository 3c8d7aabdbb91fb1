import { createHash } from 'node:crypto';
import { parseYaml } from '../config/yaml-text.ts';
import { nearestName } from '../config/nearest-name.ts';
import { type SettingValues, validateSettings } from '../config/validation.ts';
import { UsageError } from '../outcome/errors.ts';
import { isJsonObject, type JsonObject } from '../protocol/json.ts';
import type { Json } from '../protocol/types.ts';

/** A variable of a template. */
export interface Variable {
  /** Null: it has to be given. */
  default: Json;
  description: string | null;
  /** It may be without a value: of prompts of the proxy alone. */
  isOptional?: boolean;
}

/** A command whose output goes with the prompt. */
export interface ContextCommand {
  /** How its block is called. */
  name: string;
  /** The program and its arguments, each rendered by itself; no shell. */
  run: readonly string[];
  onFailure: 'fail' | 'warn' | 'ignore';
  /** Seconds. */
  timeout: number;
}

/** What a template's file says, checked. */
export interface TemplateText {
  description: string | null;
  /** Those members of the head that are settings, but for `system` and `output_schema`. */
  settings: SettingValues;
  /** Jinja, as the body is. */
  system: string | null;
  /** A path, or the schema itself as JSON. */
  outputSchema: { path: string } | { inline: JsonObject } | null;
  variables: ReadonlyMap<string, Variable>;
  /** What was said before the prompt: of prompts of the proxy alone. */
  earlier: readonly { role: string; body: string }[];
  files: readonly string[];
  context: readonly ContextCommand[];
  /** Only the inside of the reply's first fenced block, of any language or of this one; null for the whole reply. */
  extract: { language: string | null } | null;
  allowShort: boolean;
  body: string;
  /** The line of the file that the body begins with. */
  bodyLine: number;
}

const members = [
  'description',
  'model',
  'system',
  'params',
  'output_schema',
  'variables',
  'files',
  'context',
  'extract',
  'max_cost',
  'require_model',
  'allow_short',
  'tags',
  'tools',
] as const;

/** Names that the template has by itself. */
const ownNames: readonly string[] = ['input', 'files'];

const defaultTimeout = 60;
const mostCommands = 20;

/** The digest of a file's bytes, as people allow them: `sha256:…`. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * Reads a template: Markdown with a YAML head between two lines of `---`; without a head all of it is the prompt.
 *
 * @param file for messages
 * @param isProjects it came with a repository, and may set what a project file may
 * @throws UsageError `template_invalid` or `config_invalid`
 */
export function readTemplate(text: string, file: string, isProjects: boolean): TemplateText {
  const { head, body, bodyLine } = split(text, file);
  const given: unknown = head === '' ? {} : (parseYaml(head, file) ?? {});
  if (!isJsonObject(given)) throw invalid(file, 'the head must be a mapping of names to values');
  for (const name of Object.keys(given)) {
    if ((members as readonly string[]).includes(name)) continue;
    const nearest = nearestName(name, members);
    throw invalid(
      file,
      `unknown member ${JSON.stringify(name)} of the head`,
      nearest === null ? `the members are ${members.join(', ')}` : `did you mean ${JSON.stringify(nearest)}?`,
    );
  }
  const {
    description,
    system,
    output_schema: schema,
    variables,
    files,
    context,
    extract,
    allow_short: isShort,
    ...rest
  } = given;
  const settings = validateSettings(rest, file, { isProject: isProjects });
  if (body.trim() === '') throw invalid(file, 'has no prompt below its head');
  return {
    description: description === undefined ? null : textOf(description, 'description', file),
    settings,
    system: system === undefined ? null : textOf(system, 'system', file),
    outputSchema: schemaOf(schema, file),
    variables: variablesOf(variables, file),
    earlier: [],
    files: files === undefined ? [] : textsOf(files, 'files', file),
    context: commandsOf(context, file),
    extract: extractOf(extract, file),
    allowShort: isShort === undefined ? false : booleanOf(isShort, 'allow_short', file),
    body,
    bodyLine,
  };
}

function split(text: string, file: string): { head: string; body: string; bodyLine: number } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (lines[0]?.trimEnd() !== '---') return { head: '', body: lines.join('\n'), bodyLine: 1 };
  const end = lines.findIndex((line, at) => at > 0 && line.trimEnd() === '---');
  if (end === -1) throw invalid(file, 'the head has no end: a line of ---');
  return {
    // An empty first line keeps the line numbers of the file.
    head: `\n${lines.slice(1, end).join('\n')}`,
    body: lines.slice(end + 1).join('\n'),
    bodyLine: end + 2,
  };
}

function schemaOf(schema: unknown, file: string): TemplateText['outputSchema'] {
  if (schema === undefined) return null;
  if (isJsonObject(schema)) return { inline: schema };
  return { path: textOf(schema, 'output_schema', file) };
}

/** `true`, or the language of the block. */
function extractOf(extract: unknown, file: string): TemplateText['extract'] {
  if (extract === undefined || extract === false) return null;
  if (extract === true) return { language: null };
  if (typeof extract === 'string' && extract !== '') return { language: extract };
  throw invalid(file, 'extract must be true, or the language of the block');
}

function variablesOf(given: unknown, file: string): ReadonlyMap<string, Variable> {
  const found = new Map<string, Variable>();
  if (given === undefined) return found;
  if (!isJsonObject(given)) throw invalid(file, 'variables must be a mapping of names to values');
  for (const [name, value] of Object.entries(given)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw invalid(file, `variables.${name} is no name: letters, digits and _`);
    if (ownNames.includes(name)) throw invalid(file, `variables.${name} is what the template has by itself`);
    found.set(name, variableOf(value, `variables.${name}`, file));
  }
  return found;
}

/** `name: value`, or `name: { default, description }`. */
function variableOf(value: unknown, name: string, file: string): Variable {
  if (!isJsonObject(value)) return { default: (value ?? null) as Json, description: null };
  const { default: otherwise = null, description, ...others } = value;
  const [stranger] = Object.keys(others);
  if (stranger !== undefined)
    throw invalid(file, `unknown member ${JSON.stringify(stranger)} of ${name}`, 'it takes default and description');
  return {
    default: otherwise as Json,
    description: description === undefined ? null : textOf(description, `${name}.description`, file),
  };
}

function commandsOf(given: unknown, file: string): ContextCommand[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw invalid(file, 'context must be a list of commands');
  if (given.length > mostCommands) throw invalid(file, `context has more than ${mostCommands} commands`);
  const commands = given.map((each: unknown, at): ContextCommand => {
    const place = `context[${at}]`;
    if (!isJsonObject(each)) throw invalid(file, `${place} must have name and run`);
    const { name, run, on_failure: onFailure = 'fail', timeout = defaultTimeout, ...others } = each;
    const [stranger] = Object.keys(others);
    if (stranger !== undefined) {
      const hint = 'it takes name, run, on_failure and timeout';
      throw invalid(file, `unknown member ${JSON.stringify(stranger)} of ${place}`, hint);
    }
    if (typeof run === 'string') {
      throw invalid(file, `${place}.run must be a list of words, and is a text`, 'for example run: [git, diff]');
    }
    const words = textsOf(run, `${place}.run`, file);
    if (words.length === 0 || /\{[{%#]/.test(words[0] ?? ''))
      throw invalid(file, `${place}.run must begin with the program, which no variable may name`);
    if (onFailure !== 'fail' && onFailure !== 'warn' && onFailure !== 'ignore')
      throw invalid(file, `${place}.on_failure must be fail, warn or ignore`);
    if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= 3_600))
      throw invalid(file, `${place}.timeout must be seconds, more than 0 and at most 3600`);
    return { name: nameOf(name, `${place}.name`, file), run: words, onFailure, timeout };
  });
  const names = commands.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw invalid(file, `context has two commands named ${JSON.stringify(twice)}`);
  return commands;
}

function nameOf(value: unknown, name: string, file: string): string {
  const text = textOf(value, name, file);
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw invalid(file, `${name} must be letters, digits, ., _ and -`);
}

function textOf(value: unknown, name: string, file: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(file, `${name} must be a text that is not empty`);
}

function booleanOf(value: unknown, name: string, file: string): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(file, `${name} must be true or false`);
}

function textsOf(value: unknown, name: string, file: string): string[] {
  if (!Array.isArray(value)) throw invalid(file, `${name} must be a list of texts`);
  return value.map((each: unknown, at) => textOf(each, `${name}[${at}]`, file));
}

function invalid(file: string, why: string, hint?: string): UsageError {
  return new UsageError(`${file}: ${why}`, { code: 'template_invalid', hint });
}
