import path from 'node:path';
import { securePrivateDirectory } from '../files/private-files.ts';
import { replaceFile } from '../files/replace-file.ts';
import { readTrustedFile } from '../files/trusted-file.ts';
import type { Context } from './context.ts';

/** What a proxy last said that it serves: shells complete model names from it without asking anybody. */
interface Known {
  baseUrl: string;
  names: string[];
}

const fileOf = ({ paths }: Pick<Context, 'paths'>): string => path.join(paths.dataDirectory, 'models.json');

/** The models that the proxy serves, asked for now and remembered. */
export async function modelNames(context: Context): Promise<string[]> {
  const served = await (await context.client()).models({ signal: AbortSignal.timeout(5000) });
  const names = served.map(({ id }) => id);
  rememberModels(context, (await context.settings()).baseUrl.value, names);
  return names;
}

export function rememberModels(
  context: Pick<Context, 'paths' | 'io'>,
  baseUrl: string,
  names: readonly string[],
): void {
  try {
    securePrivateDirectory(context.paths.dataDirectory, context.io.uid);
    replaceFile(fileOf(context), `${JSON.stringify({ baseUrl, names })}\n`, { isSynced: false });
  } catch {
    // Only completion misses it.
  }
}

/** What was remembered; nothing when there is nothing. */
export function rememberedModels(context: Pick<Context, 'paths' | 'io'>): string[] {
  try {
    const file = readTrustedFile(fileOf(context), { uid: context.io.uid, mostBytes: 1024 * 1024 });
    const known = JSON.parse(file?.bytes.toString('utf8') ?? '{}') as Partial<Known>;
    return Array.isArray(known.names) ? known.names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
