import path from 'node:path';
import { securePrivateDirectory } from '../../files/private-files.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { readTrustedFile } from '../../files/trusted-file.ts';
import type { LiteLLMClient } from '../../client/client.ts';
import type { Paths } from '../../config/paths.ts';

/** What a proxy last said that it serves: shells complete model names from it without asking anybody. */
interface Known {
  baseUrl: string;
  names: string[];
}

/** Where models are remembered: the user's data, and whose it has to be. */
export interface ModelMemory {
  paths: Pick<Paths, 'dataDirectory'>;
  uid: number | null;
}

const fileOf = ({ paths }: ModelMemory): string => path.join(paths.dataDirectory, 'models.json');

/** The models that the proxy serves, asked for now and remembered. */
export async function modelNames(client: LiteLLMClient, memory: ModelMemory): Promise<string[]> {
  const served = await client.models({ signal: AbortSignal.timeout(5000) });
  const names = served.map(({ id }) => id);
  rememberModels(memory, client.baseUrl, names);
  return names;
}

export function rememberModels(memory: ModelMemory, baseUrl: string, names: readonly string[]): void {
  try {
    securePrivateDirectory(memory.paths.dataDirectory, memory.uid);
    replaceFile(fileOf(memory), `${JSON.stringify({ baseUrl, names })}\n`, { isSynced: false });
  } catch {
    // Only completion misses it.
  }
}

/** What was remembered; nothing when there is nothing. */
export function rememberedModels(memory: ModelMemory): string[] {
  try {
    const file = readTrustedFile(fileOf(memory), { uid: memory.uid, mostBytes: 1024 * 1024 });
    const known = JSON.parse(file?.bytes.toString('utf8') ?? '{}') as Partial<Known>;
    return Array.isArray(known.names) ? known.names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
