import { UsageError } from '../../outcome/errors.ts';
import type { Json, RequestBody } from '../../protocol/types.ts';
import type { Values } from '../flags/flag.ts';
import { type FlagFileIo, readFlagFile } from '../input/flag-file.ts';
import type { ContextValues, modelFlags } from '../flags/flags.ts';

/** The fields of the request body that flags name; they go through the settings, which know what may not be set. */
export function flagParams(values: ContextValues): Record<string, Json> {
  const { temperature, maxTokens, topP, seed, stop = [], reasoningEffort, param = [] } = values;
  const named: [string, Json | undefined][] = [
    ['temperature', temperature],
    ['max_tokens', maxTokens],
    ['top_p', topP],
    ['seed', seed],
    ['stop', stop.length > 1 ? [...stop] : stop[0]],
    ['reasoning_effort', reasoningEffort],
  ];
  const given = named.filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries([...given, ...param]);
}

/** The request body without its messages. */
export async function requestBody(
  { tools: file, stream }: Pick<Values<typeof modelFlags>, 'tools' | 'stream'>,
  model: string,
  params: Readonly<Record<string, unknown>>,
  io: FlagFileIo,
): Promise<RequestBody> {
  const tools = file === undefined ? undefined : toolDefinitions(await readFlagFile('--tools', file, io), file);
  return {
    model,
    ...params,
    ...(tools !== undefined && { tools }),
    ...(!stream && { stream: false }),
  };
}

function toolDefinitions(text: string, file: string): unknown[] {
  const hint = 'it takes a JSON array of tool definitions, as the `tools` field of a request';
  let tools: unknown;
  try {
    tools = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--tools ${file}: not JSON`, { code: 'input_invalid', hint, cause });
  }
  if (!Array.isArray(tools)) throw new UsageError(`--tools ${file}: not an array`, { code: 'input_invalid', hint });
  return tools;
}
