import { UsageError } from '../errors.ts';
import type { Json, RequestBody } from '../protocol/types.ts';
import { fileFlag, type FlagFileIo, listFlag, numberFlag, textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';

/** The fields of the request body that flags name; they go through the settings, which know what may not be set. */
export function flagParams(flags: Flags): Record<string, Json> {
  const stop = listFlag(flags, 'stop');
  const named: [string, Json | undefined][] = [
    ['temperature', numberFlag(flags, 'temperature')],
    ['max_tokens', numberFlag(flags, 'max-tokens', { least: 1, isWhole: true })],
    ['top_p', numberFlag(flags, 'top-p')],
    ['seed', numberFlag(flags, 'seed', { isWhole: true })],
    ['stop', stop.length > 1 ? stop : stop[0]],
    ['reasoning_effort', textFlag(flags, 'reasoning-effort')],
  ];
  const given = named.filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries([...given, ...listFlag(flags, 'param').map(parameter)]);
}

/** The request body without its messages. */
export async function requestBody(
  flags: Flags,
  model: string,
  params: Readonly<Record<string, unknown>>,
  io: FlagFileIo,
): Promise<RequestBody> {
  const tools = await fileFlag(flags, 'tools', io);
  return {
    model,
    ...params,
    ...(tools !== undefined && { tools: toolDefinitions(tools, textFlag(flags, 'tools') as string) }),
    ...(flags['stream'] === false && { stream: false }),
  };
}

/** `-p KEY=JSON`. A word that is no JSON is not taken for a string: `-p user=42` and `-p user="42"` differ. */
function parameter(pair: string): [string, Json] {
  const at = pair.indexOf('=');
  const key = pair.slice(0, at);
  if (at < 1)
    throw new UsageError(`-p ${pair} is not KEY=JSON`, { hint: 'for example -p top_k=40 or -p user=\'"me"\'' });
  try {
    return [key, JSON.parse(pair.slice(at + 1)) as Json];
  } catch {
    throw new UsageError(`-p ${pair}: the value is no JSON`, {
      hint: `a string wants quotes: -p '${key}="${pair.slice(at + 1)}"'`,
    });
  }
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
