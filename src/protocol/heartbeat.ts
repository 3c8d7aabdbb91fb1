import { isJsonObject, type JsonObject } from './json.ts';
import type { SseEvent } from './sse.ts';

/**
 * Signs of life between the chunks, so that no reverse proxy takes the connection for dead. They should be comments; as
 * events they come in these costumes (caozhiyuan/copilot-api#88, epam/ai-dial-sdk#175, openai/openai-python#2721,
 * netease-lcap/wave-agent#1326): an event type of that name with any data, empty data, a word of that kind, an object
 * without choices that says nothing of a reply and nothing of an error.
 */
const name = /^(ping|pong|heart[-_ ]?beat|keep[-_ ]?alive|noop)$/i;
/** The word, in quotes or behind a colon, with a time behind it (sse-starlette: `ping - 2026-11-22 14:00:58`). */
const text = /^[:"'\s]*(ping|pong|heart[-_ ]?beat|keep[-_ ]?alive|noop|openrouter processing)["'\s]*[-\s\d:.,TZ+/]*$/i;
const longestText = 100;

/** Members that only a chunk has, or an answer to who asked for one. */
const chunkMembers = ['choices', 'usage', 'x_groq'] as const;

export function isHeartbeatName(event: string): boolean {
  return name.test(event);
}

/** Data that is no JSON object: nothing at all, a JSON value that says nothing, or a heartbeat's own word. */
export function isHeartbeatText(data: string): boolean {
  if (data.length > longestText) return data.trim() === '';
  const bare = data.trim();
  return bare === '' || bare === 'null' || bare === '[]' || bare === '""' || text.test(bare);
}

/** An object that calls itself a heartbeat, whatever else it says, but for choices. */
export function isNamedHeartbeat({ choices, type, object, event, message }: JsonObject): boolean {
  if (Array.isArray(choices) && choices.length > 0) return false;
  return [type, object, event, message].some((word) => typeof word === 'string' && name.test(word));
}

/** An object that is no chunk. One without choices is a chunk if it says so, or brings usage. */
export function isHeartbeatObject(value: JsonObject): boolean {
  if (value['object'] === 'chat.completion.chunk') return false;
  return !chunkMembers.some((member) => Array.isArray(value[member]) || isJsonObject(value[member]));
}

const endings: ReadonlySet<string> = new Set([
  'done',
  'end',
  'eos',
  'finished',
  'complete',
  'completed',
  'stop',
  'close',
]);

/**
 * Whether an event is another way to write `[DONE]`: `[done]`, `DONE`, `"[DONE]"`, `event: done`, `{"done": true}`. No
 * text of a reply comes as data of its own, but none of these says that a reply is whole: they count after a
 * finish_reason alone.
 */
export function isEnding({ event, data }: SseEvent): boolean {
  if (event !== 'message' && endings.has(event.toLowerCase())) return true;
  if (data.length > longestText) return false;
  const word = /^["'\s]*[[<(]?\s*([a-z]+)\s*[\])>]?[."'\s]*$/i.exec(data)?.[1];
  if (word !== undefined) return endings.has(word.toLowerCase());
  return /^\s*\{\s*"(done|is_?(done|end|finished)|finished|type|event|object|status)"\s*:\s*(true|"(\[?done\]?|end|finished|completed?)")\s*\}\s*$/i.test(
    data,
  );
}
