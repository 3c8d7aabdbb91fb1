import { existsSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { readSmallFile } from '../config/config-file.ts';
import { nearestName } from '../config/nearest-name.ts';
import type { SearchOptions } from '../config/project-file.ts';
import { UsageError } from '../outcome/errors.ts';
import { errorCode } from '../files/file-error.ts';
import { digestOf } from './template-file.ts';

/** Where a template lies. */
export interface FoundTemplate {
  name: string;
  /** Absolute. */
  file: string;
  /** The folder that it may read files of, without links: of a repository's template the one that holds `.cllm`; null for the user's own. */
  root: string | null;
  /** The user's own of the same name, which this one goes before. */
  hidden: string | null;
}

export interface TemplateFolders extends SearchOptions {
  cwd: string;
  /** The user's own. */
  ownFolder: string;
}

/** Before the name of a prompt of the proxy. */
export const proxyPrefix = 'proxy:';

const projectFolder = join('.cllm', 'templates');
const suffix = '.md';

/**
 * The folders with a repository's templates, the nearest first: from the working directory upwards to the root of the
 * repository, the user's home or the border of the file system.
 */
function projectFolders({ cwd, home, uid, sudoUid = null }: TemplateFolders): string[] {
  const found: string[] = [];
  for (let current = resolve(cwd); ; current = dirname(current)) {
    const folder = join(current, projectFolder);
    const stats = statOf(folder);
    // As with a project file: whoever may write above a folder must not decide what is sent from it.
    const owners = uid === null ? [] : [uid, 0, ...(uid === 0 && sudoUid !== null ? [sudoUid] : [])];
    if (stats?.isDirectory() === true && (uid === null || owners.includes(stats.uid))) found.push(folder);
    const isEnd = existsSync(join(current, '.git')) || current === dirname(current);
    if (isEnd || (home !== null && current === realOf(home))) return found;
  }
}

/** All templates by name; of several of one name the first found counts. */
export function listTemplates(folders: TemplateFolders): FoundTemplate[] {
  const found = new Map<string, FoundTemplate>();
  for (const folder of projectFolders(folders)) {
    for (const name of namesIn(folder)) {
      if (!found.has(name))
        found.set(name, { name, file: join(folder, name + suffix), root: rootOf(folder), hidden: null });
    }
  }
  for (const name of namesIn(folders.ownFolder)) {
    const file = join(folders.ownFolder, name + suffix);
    const before = found.get(name);
    found.set(name, before === undefined ? { name, file, root: null, hidden: null } : { ...before, hidden: file });
  }
  return [...found.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * The template of a name, or the file of a path (with a `/`, or ending in `.md`).
 *
 * @throws UsageError `template_unknown`
 */
export function findTemplate(named: string, folders: TemplateFolders): FoundTemplate {
  if (named.includes('/') || named.endsWith(suffix)) return atPath(named, folders);
  const all = listTemplates(folders);
  const found = all.find(({ name }) => name === named);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name);
  const nearest = nearestName(named, names);
  throw new UsageError(`there is no template ${JSON.stringify(named)}`, {
    code: 'template_unknown',
    hint:
      nearest !== null
        ? `did you mean ${JSON.stringify(nearest)}?`
        : names.length > 0
          ? `the templates are ${names.slice(0, 20).join(', ')}; a file is named by its path: ./${named}.md`
          : `write one: cllm templates new NAME`,
  });
}

/** The text of a template, and the digest of its bytes. */
export function readTemplateFile(found: FoundTemplate): { text: string; digest: string } {
  const real = realOf(found.file);
  if (found.root !== null && !isInside(found.root, real)) {
    throw new UsageError(`${found.file} is a link that leaves its repository, and is not read`, {
      code: 'template_invalid',
      hint: 'put the file itself there',
    });
  }
  const file = readSmallFile(found.file);
  if (file === null)
    throw new UsageError(`${found.file} does not exist`, {
      code: 'template_unknown',
      hint: 'cllm templates list shows what there is',
    });
  return { text: file.text, digest: digestOf(file.bytes) };
}

/**
 * A file that a template names, made absolute. For a repository's template it has to lie in the repository, links followed.
 *
 * @throws UsageError `template_invalid`
 */
export function templatePath({ file, root }: Pick<FoundTemplate, 'file' | 'root'>, path: string, name: string): string {
  const absolute = resolve(root ?? dirname(file), path);
  if (root !== null && !isInside(root, realOf(absolute))) {
    throw new UsageError(`${file}: ${name} must lie in ${root}`, {
      code: 'template_invalid',
      hint: 'name a file elsewhere with the flag',
    });
  }
  return absolute;
}

function atPath(named: string, { cwd, ownFolder }: TemplateFolders): FoundTemplate {
  const file = resolve(cwd, named);
  const name = basename(file, suffix);
  if (isInside(realOf(ownFolder), realOf(file))) return { name, file, root: null, hidden: null };
  const folder = dirname(file);
  return { name, file, root: folder.endsWith(`/${projectFolder}`) ? rootOf(folder) : realOf(folder), hidden: null };
}

function rootOf(folder: string): string {
  return realOf(dirname(dirname(folder)));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => /^[\w.-]+\.md$/.test(file) && !file.startsWith('.'))
      .map((file) => file.slice(0, -suffix.length));
  } catch (error) {
    if (errorCode(error) !== null) return [];
    throw error;
  }
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside);
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
