import { join } from 'node:path';
import type { Paths } from '../../config/paths.ts';
import type { Origin, Settings } from '../../config/settings.ts';
import { securePrivateDirectory } from '../../files/private-files.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { readTrustedFile } from '../../files/trusted-file.ts';

/** The folders of which it is remembered what was said; the one that was longest not added to goes first. */
const mostFolders = 500;
const longestLine = 600;

export interface ProjectNotice {
  settings: Settings;
  paths: Pick<Paths, 'dataDirectory'>;
  uid: number | null;
  /** Under `--ephemeral` nothing is kept, so it is said again. */
  isRemembered: boolean;
  say: (text: string) => void;
}

/**
 * Says, once a folder, what its project file changes in this run: nobody looks into each `cllm.yaml` that a clone or a pull
 * brings. What is new since is said when it comes; what was said is remembered in the user's data, so that a job that
 * runs cllm a thousand times has one line.
 */
export function sayWhatProjectSets({ settings, paths, uid, isRemembered, say }: ProjectNotice): void {
  const { projectFile, projectFolder } = settings;
  if (projectFile === null || projectFolder === null) return;
  const file = join(paths.dataDirectory, 'project-notices.json');
  const said = readSaid(file, uid);
  const known = said.get(projectFolder) ?? [];
  const fresh = itemsOf(settings).filter((item) => !known.includes(item));
  if (fresh.length === 0) return;
  const line = fresh.join(', ');
  say(
    `${projectFile} sets ${line.length > longestLine ? `${line.slice(0, longestLine)}…` : line} ` +
      '(said once a folder; cllm config explain shows all)',
  );
  if (!isRemembered) return;
  said.delete(projectFolder);
  said.set(projectFolder, [...known, ...fresh]);
  try {
    securePrivateDirectory(paths.dataDirectory, uid);
    const kept = Object.fromEntries([...said].slice(-mostFolders));
    replaceFile(file, `${JSON.stringify(kept)}\n`, { isSynced: false });
  } catch {
    // Where it can not be remembered it is said again.
  }
}

/** What counts in this run and comes from the project file. The system prompt is named and not quoted: it may be long. */
function itemsOf(settings: Settings): string[] {
  const { baseUrl, model, system, outputSchema, render, history, tags, timeouts, params, aliases } = settings;
  const { maxCost, maxInputTokens, requireModel, fallback, cache, retries, reasoning, tools } = settings;
  const isProjects = ({ origin }: { origin: Origin }): boolean => origin.from === 'project file';
  const names = (group: Readonly<Record<string, { origin: Origin }>>): string[] =>
    Object.entries(group)
      .filter(([, setting]) => isProjects(setting))
      .map(([name]) => name);
  const items = [
    isProjects(baseUrl) && `the proxy ${baseUrl.value}`,
    isProjects(history) && (history.value === 'off' ? 'history off: what is asked here is not kept' : 'history on'),
    isProjects(model) && `the model ${model.value}`,
    isProjects(system) && 'a system prompt',
    isProjects(outputSchema) && 'a schema for replies',
    isProjects(render) && `render ${render.value}`,
    isProjects(tags) && `tags ${tags.value.join(' ')}`,
    isProjects(maxCost) && `max_cost ${maxCost.value}`,
    isProjects(maxInputTokens) && `max_input_tokens ${maxInputTokens.value}`,
    isProjects(requireModel) && `require_model ${requireModel.value}`,
    isProjects(fallback) && `fallback ${fallback.value}`,
    isProjects(cache) && `cache ${cache.value}`,
    isProjects(retries) && `retries ${retries.value}`,
    isProjects(reasoning) && `reasoning ${reasoning.value}`,
    ...names(params).map((name) => `params.${name}`),
    ...names(timeouts).map((name) => `the timeout ${name}`),
    ...names(aliases).map((name) => `the alias ${name}`),
    ...tools.allow.filter(isProjects).map(({ value }) => `tools.allow ${JSON.stringify(value).slice(0, 80)}`),
    ...tools.deny.filter(isProjects).map(({ value }) => `tools.deny ${JSON.stringify(value).slice(0, 80)}`),
    ...settings.projectNotTaken.map((text) => `not ${text}`),
  ];
  return items.filter((item) => item !== false);
}

/** What was said, by folder; nothing when it is not known, or not as it was written. */
function readSaid(file: string, uid: number | null): Map<string, string[]> {
  try {
    const text = readTrustedFile(file, { uid, mostBytes: 4 * 1024 * 1024 })?.bytes.toString('utf8') ?? '{}';
    const folders = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return new Map(
      folders.map(([folder, items]) => [
        folder,
        Array.isArray(items) ? items.filter((item) => typeof item === 'string') : [],
      ]),
    );
  } catch {
    return new Map();
  }
}
