import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { readSmallFile } from './config-file.ts';

export const projectFileName = 'cllm.yaml';

/** The nearest `cllm.yaml` from the directory upwards, or null. */
export function findProjectFile(directory: string): string | null {
  for (let current = resolve(directory); ; current = dirname(current)) {
    const candidate = join(current, projectFileName);
    if (existsSync(candidate)) return candidate;
    if (current === dirname(current)) return null;
  }
}

/**
 * The project file as plain data, unchecked; null when it is empty or gone. The YAML parser is loaded only once there is
 * something to parse, and through a file of its own: in the bundle a CommonJS package has no names when it is imported
 * by `import()` itself.
 *
 * @throws UsageError `config_invalid`, with line and column when it is no YAML
 */
export async function readProjectFile(path: string): Promise<unknown> {
  const file = readSmallFile(path);
  if (file === null) return null;
  const { parseYaml } = await import('./yaml-text.ts');
  return parseYaml(file.text, path);
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
  const inside = relative(followLinks(folder), followLinks(absolute));
  if (inside === '..' || inside.startsWith('../') || isAbsolute(inside)) {
    throw new UsageError(`${projectFile}: ${name} must lie in the folder of that file`, {
      code: 'config_invalid',
      hint: 'Name a file elsewhere with the flag, or in your own settings.',
    });
  }
  return absolute;
}

/** A file that does not exist yet has no links to follow; reading it will say that it is missing. */
function followLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return existsSync(dirname(path)) ? join(realpathSync(dirname(path)), relative(dirname(path), path)) : path;
  }
}
