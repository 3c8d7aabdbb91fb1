import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { securePrivateDirectory } from '../files/private-files.ts';
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
    writeFileSync(fileOf(context), `${JSON.stringify({ baseUrl, names })}\n`, { mode: 0o600 });
  } catch {
    // Only completion misses it.
  }
}

/** What was remembered; nothing when there is nothing. */
export function rememberedModels(context: Pick<Context, 'paths'>): string[] {
  try {
    const known = JSON.parse(readFileSync(fileOf(context), 'utf8')) as Partial<Known>;
    return Array.isArray(known.names) ? known.names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
