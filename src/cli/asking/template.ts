import { nearestName } from '../../config/nearest-name.ts';
import type { Paths } from '../../config/paths.ts';
import { searchOptions } from '../../config/project-file.ts';
import type { SettingValues } from '../../config/validation.ts';
import type { LiteLLMClient } from '../../client/client.ts';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import type { TurnTemplate } from '../../history/history.ts';
import type { Json } from '../../protocol/types.ts';
import {
  findTemplate,
  type FoundTemplate,
  listTemplates,
  proxyPrefix,
  readTemplateFile,
  templatePath,
} from '../../templates/find-template.ts';
import { readTemplate, type TemplateText } from '../../templates/template-file.ts';
import type { Io } from '../io.ts';

/** A template with values for its variables. */
export interface LoadedTemplate extends FoundTemplate {
  /** Of the file's bytes: `sha256:…`. */
  digest: string;
  /** The file as it stands there. */
  source: string;
  text: TemplateText;
  /** As far as they have values: of the command line, or by default. */
  variables: Readonly<Record<string, Json>>;
  /** Those of the command line alone. */
  given: Readonly<Record<string, string>>;
  /** Names a variable that has no value; null when all have one, and the template can be rendered. */
  missing: UsageError | null;
  /** With paths made absolute, and the system prompt rendered where nothing is missing. */
  settings: SettingValues;
}

export interface TemplatePlace {
  io: Pick<Io, 'cwd' | 'env' | 'uid'>;
  paths: Pick<Paths, 'templateDirectory'>;
}

/** Whom prompts of the proxy are asked of. */
export type PromptProxy = () => Promise<Pick<LiteLLMClient, 'get'>>;

/** A template as it stands in its file. */
export type OpenedTemplate = FoundTemplate & Pick<LoadedTemplate, 'digest' | 'source' | 'text'>;

const foldersOf = ({ io, paths }: TemplatePlace): Parameters<typeof listTemplates>[0] => ({
  ...searchOptions(io),
  cwd: io.cwd,
  ownFolder: paths.templateDirectory,
});

/** All templates that a name reaches from here. */
export function templatesOf(place: TemplatePlace): FoundTemplate[] {
  return listTemplates(foldersOf(place));
}

export function templateNames(place: TemplatePlace): string[] {
  return templatesOf(place).map(({ name }) => name);
}

/** The variables of all templates that can be read; one that can not says so when it is used. */
export function variableNames(place: TemplatePlace): { name: string; about: string }[] {
  return templatesOf(place).flatMap((found) => {
    try {
      const { text } = readFound(found);
      return [...text.variables].map(([name, { description }]) => ({ name, about: description ?? found.name }));
    } catch (error) {
      if (error instanceof CllmError) return [];
      throw error;
    }
  });
}

/**
 * The template of a name, a path or of the proxy (`proxy:NAME`), as it stands there.
 *
 * @throws UsageError `template_unknown` or `template_invalid`; CllmError for what the proxy answers
 */
export async function openTemplate(named: string, place: TemplatePlace, proxy: PromptProxy): Promise<OpenedTemplate> {
  if (!named.startsWith(proxyPrefix)) return openFile(named, place);
  const { openProxyPrompt } = await import('./proxy-template.ts');
  return openProxyPrompt(named, await proxy());
}

/**
 * The template of a name or a path.
 *
 * @throws UsageError `template_unknown` or `template_invalid`
 */
export function openFile(named: string, place: TemplatePlace): OpenedTemplate {
  const found = findTemplate(named, foldersOf(place));
  return { ...found, ...readFound(found) };
}

function readFound(found: FoundTemplate): { digest: string; source: string; text: TemplateText } {
  const { text: source, digest } = readTemplateFile(found);
  return { digest, source, text: readTemplate(source, found.file, found.root !== null) };
}

/**
 * What `-t` names, with values for its variables.
 *
 * @throws UsageError `template_unknown`, `template_invalid`, or `usage` for a variable that there is not
 */
export async function loadTemplate(
  { named, given }: { named: string; given: readonly (readonly [string, string])[] },
  { say, proxy, ...place }: TemplatePlace & { say: (text: string) => void; proxy: PromptProxy },
): Promise<LoadedTemplate> {
  const opened = await openTemplate(named, place, proxy);
  const { file, text, hidden } = opened;
  if (hidden !== null) say(`the template is ${file}, which goes before your own of that name`);
  const { variables, missing } = valuesFor(opened, given);
  const { outputSchema } = text;
  const schema =
    outputSchema === null
      ? undefined
      : 'inline' in outputSchema
        ? JSON.stringify(outputSchema.inline)
        : templatePath(opened, outputSchema.path, 'output_schema');
  const { render } = await import('../../templates/engine.ts');
  const at = { name: `${file}: system`, line: null };
  const system = text.system === null ? undefined : missing === null ? render(text.system, variables, at) : text.system;
  const settings = { ...text.settings, system, output_schema: schema };
  return { ...opened, variables, given: Object.fromEntries(given), missing, settings };
}

/** What the history keeps of a template: of a variable that is named like a secret not its value. */
export function keptTemplate({ name, digest, variables }: LoadedTemplate): TurnTemplate {
  const values = Object.entries(variables).map(([variable, value]): [string, Json] => [
    variable,
    /key|token|secret|password/i.test(variable) ? '***' : value,
  ]);
  return { name, digest, variables: Object.fromEntries(values) };
}

/** Of what a command line gives, text; of what the file gives, whatever it is. */
function valuesFor(
  { file, name: template, text: { variables } }: FoundTemplate & { text: TemplateText },
  given: readonly (readonly [string, string])[],
): Pick<LoadedTemplate, 'variables' | 'missing'> {
  let missing: UsageError | null = null;
  const values = new Map<string, Json>();
  for (const [name, value] of given) {
    if (!variables.has(name)) {
      const names = [...variables.keys()];
      const nearest = nearestName(name, names);
      throw new UsageError(`the template ${template} has no variable ${JSON.stringify(name)}`, {
        hint:
          nearest !== null
            ? `did you mean ${nearest}?`
            : names.length === 0
              ? `it has none; they are declared under variables: in ${file}`
              : `its variables are ${names.join(', ')}`,
      });
    }
    if (values.has(name)) throw new UsageError(`--var ${name} was given twice`, { hint: `give --var ${name} once` });
    values.set(name, value);
  }
  for (const [name, { default: otherwise, description, isOptional = false }] of variables) {
    if (values.has(name)) continue;
    if (otherwise === null && isOptional) continue;
    if (otherwise === null) {
      const about = description === null ? '' : ` (${description})`;
      missing ??= new UsageError(`the template ${template} needs the variable ${name}${about}`, {
        hint: `give it with --var ${name}=VALUE`,
      });
    } else values.set(name, otherwise);
  }
  return { variables: Object.fromEntries(values), missing };
}

/** What the template says of the reply's form, where the flags say nothing. */
export function withExtract<Values extends { extract: boolean; extractLang: string | undefined }>(
  values: Values,
  { text: { extract } }: Pick<LoadedTemplate, 'text'>,
): Values {
  if (extract === null || values.extract || values.extractLang !== undefined) return values;
  return { ...values, extract: true, extractLang: extract.language ?? undefined };
}

/** Whether the prompt of a template names one of what it has by itself: what it does not name goes after it. */
export function isNamed(source: string, name: string): boolean {
  const pattern = new RegExp(`(?<![\\w.])${name}\\b`);
  return tagsOf(source).some((tag) => pattern.test(tag.replaceAll(/"[^"]*"|'[^']*'/g, '')));
}

const closings: Readonly<Record<string, string>> = { '{{': '}}', '{%': '%}' };

/** In one pass: a stranger's file may begin a tag at each of its characters, and end none. */
function tagsOf(source: string): string[] {
  const tags: string[] = [];
  const endless = new Set<string>();
  const opening = /\{[{%]/g;
  for (let found = opening.exec(source); found !== null && endless.size < 2; found = opening.exec(source)) {
    const [mark] = found;
    if (endless.has(mark)) continue;
    const end = source.indexOf(closings[mark] ?? '', opening.lastIndex);
    if (end === -1) endless.add(mark);
    else {
      opening.lastIndex = end + 2;
      tags.push(source.slice(found.index, opening.lastIndex));
    }
  }
  return tags;
}
