import { basename, dirname, extname } from 'node:path';
import { UsageError } from '../outcome/errors.ts';
import { ambiguityOf } from '../protocol/ambiguous-json.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { asText, changingOwnFile, moveAside, readOwnFile, tightenFile, unwritable } from './config-file.ts';

/**
 * The user file as plain data: one JSON object, unchecked.
 *
 * @returns null when there is none
 * @throws UsageError `config_invalid` when it is no JSON object, says a name twice, or somebody else may have written it
 */
export function readUserFile(path: string, uid: number | null): Record<string, unknown> | null {
  const file = readOwnFile(path, uid);
  if (file === null) return null;
  const text = asText(path, file.content);
  const values = parseObject(text);
  if (values === null) {
    throw new UsageError(`${path} is no JSON object`, {
      code: 'config_invalid',
      hint: 'mend or remove it; `cllm config set` moves it aside and starts a new one',
    });
  }
  assertClear(path, text);
  return values;
}

/**
 * Changes the user file: `change` gets what is in it and gives what shall be in it, while no other cllm changes it. A file
 * that is no JSON is moved aside first, so that a broken file never stands in the way of the command that would mend it.
 *
 * conf does the writing, because it replaces the file in one step. It is imported here and only here: its import alone,
 * with the schema validator it brings, costs as much as starting Node twice, and every plain `ask` would pay for it.
 * Reading is one `JSON.parse`, which needs no conf; both stand behind this file so that nothing else knows of the split.
 *
 * @returns where a broken file was moved to, or null
 */
export async function changeUserFile(
  path: string,
  own: OwnProcess,
  change: (values: Readonly<Record<string, unknown>>) => Record<string, unknown>,
  now: Date = new Date(),
): Promise<{ movedTo: string | null }> {
  const { default: Conf } = await import('conf');
  return changingOwnFile(path, own, () => {
    const file = readOwnFile(path, own.uid);
    const values = file === null ? {} : parseObject(file.content.text);
    if (values !== null) assertClear(path, file?.content.text ?? '');
    const changed = change(values ?? {});
    const movedTo = values === null ? moveAside(path, now) : null;
    const extension = extname(path);
    try {
      const conf = new Conf<Record<string, unknown>>({
        cwd: dirname(path),
        configName: basename(path, extension),
        fileExtension: extension.slice(1),
        projectSuffix: '',
        configFileMode: 0o600,
        // A dot is part of many names here: `aliases.gpt-4.1` is no path.
        accessPropertiesByDotNotation: false,
        // What conf finds here was judged above; only an empty file is left that it would stumble over.
        clearInvalidConfig: true,
      });
      conf.store = changed;
    } catch (error) {
      throw unwritable(path, error);
    }
    tightenFile(path);
    return { movedTo };
  });
}

/** Of a name that stands there twice somebody meant the one, and JSON the other. */
function assertClear(path: string, text: string): void {
  const ambiguity = ambiguityOf(text);
  if (ambiguity === null) return;
  throw new UsageError(`${path} ${ambiguity}`, { code: 'config_invalid', hint: `mend it: ${path}` });
}

/** Null for what is no JSON object, or no text. */
function parseObject(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  // `touch config.json` makes an empty file, and that is no mistake.
  if (text.trim() === '') return {};
  try {
    const values: unknown = JSON.parse(text);
    return typeof values === 'object' && values !== null && !Array.isArray(values)
      ? (values as Record<string, unknown>)
      : null;
  } catch {
    // JSON's own message quotes the text, and what was quoted could be a key.
    return null;
  }
}
