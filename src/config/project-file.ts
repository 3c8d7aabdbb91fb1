import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { errorCode } from '../files/file-error.ts';
import { UsageError } from '../outcome/errors.ts';
import { readSmallFile } from './config-file.ts';
import type { Environment } from './paths.ts';

export const projectFileName = 'cllm.yaml';

export interface ProjectFile {
  /** Absolute, as it was found. */
  file: string;
  /** The folder that it is in, without links: what people allow is bound to it. */
  folder: string;
  /** The other user that the file or its folder belongs to; null when both are this user's or the administrator's. */
  strangerUid: number | null;
}

export interface SearchOptions {
  /** The user that the process runs as; null, where the platform has none, makes every file one's own. */
  uid: number | null;
  /** Of that user: nothing above it is looked at. */
  home: string | null;
  /** Who ran `sudo`: for root, that user's files are not a stranger's. */
  sudoUid?: number | null;
}

/** Whose files are whose, from what a run knows of its user. */
export function searchOptions({ env, uid = null }: { env: Environment; uid?: number | null }): SearchOptions {
  const sudo = env['SUDO_UID'] ?? '';
  return { uid, home: env['HOME'] || null, sudoUid: /^\d+$/.test(sudo) ? Number(sudo) : null };
}

/**
 * The nearest `cllm.yaml` from the directory upwards, or null. The search ends at the user's home and at the border of
 * the file system, as git's does: what lies beyond is nobody's project that one is in.
 *
 * A file of another user is named and not read: whoever may write above a folder must not decide what is sent from it
 * (git's CVE-2022-24765).
 */
export function findProjectFile(directory: string, options: SearchOptions): ProjectFile | null {
  const start = resolve(directory);
  const device = deviceOf(start);
  const home = options.home === null ? null : followLinks(options.home);
  for (let current = start; ; current = dirname(current)) {
    if (deviceOf(current) !== device) return null;
    const file = join(current, projectFileName);
    if (existsSync(file))
      return { file, folder: followLinks(current), strangerUid: strangerOf([file, current], options) };
    if (current === dirname(current) || current === home) return null;
  }
}

/**
 * The project file as plain data, unchecked; null when it is empty or gone. The YAML parser is loaded only once there is
 * something to parse, and through a file of its own: in the bundle a CommonJS package has no names when it is imported
 * by `import()` itself.
 *
 * @throws UsageError `config_invalid`, with line and column when it is no YAML, and for a link that leaves its folder:
 * what it leads to may be a secret, of which messages would show a part
 */
export async function readProjectFile({ file, folder }: Pick<ProjectFile, 'file' | 'folder'>): Promise<unknown> {
  if (!isInside(folder, followLinks(file))) {
    throw new UsageError(`${file} is a link that leaves its folder, and is not read`, {
      code: 'config_invalid',
      hint: `put the file itself there, or remove the link: a ${projectFileName} of a folder above is found without one`,
    });
  }
  const text = readSmallFile(file)?.text ?? null;
  if (text === null) return null;
  const { parseYaml } = await import('./yaml-text.ts');
  return parseYaml(text, file);
}

/**
 * A path that a project file names, made absolute. It has to lie in the folder of that file, links followed: what it
 * names is read and sent to a proxy that the same file may have chosen, and a file that came with a repository must not
 * be able to send what is elsewhere on this machine.
 *
 * @throws UsageError `config_invalid`
 */
export function projectPath(projectFile: string, path: string, name: string): string {
  const folder = dirname(projectFile);
  const absolute = resolve(folder, path);
  if (!isInside(followLinks(folder), followLinks(absolute))) {
    throw new UsageError(`${projectFile}: ${name} must lie in the folder of that file`, {
      code: 'config_invalid',
      hint: 'name a file elsewhere with the flag, or in your own settings',
    });
  }
  return absolute;
}

function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside);
}

/** A folder by the one name that has no links in it; one that is gone keeps its name. */
export function realFolder(folder: string): string {
  return followLinks(folder);
}

/** A file that does not exist yet has no links to follow; reading it will say that it is missing. */
function followLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return existsSync(dirname(path)) ? join(realpathSync(dirname(path)), relative(dirname(path), path)) : path;
  }
}

function strangerOf(paths: readonly string[], { uid, sudoUid = null }: SearchOptions): number | null {
  if (uid === null) return null;
  const own = [uid, 0, ...(uid === 0 && sudoUid !== null ? [sudoUid] : [])];
  // Both the link and what it leads to: whoever made the link chose the file.
  const owners = paths.flatMap((path) => [lstatSync(path).uid, statSync(path).uid]);
  return owners.find((owner) => !own.includes(owner)) ?? null;
}

function deviceOf(directory: string): number | null {
  try {
    return statSync(directory).dev;
  } catch (error) {
    // A working directory that was removed has no project.
    if (errorCode(error) !== null) return null;
    throw error;
  }
}
