import { isJsonObject, type JsonObject, objectOf, textOrNull } from '../protocol/json.ts';
import { figuresOfMetrics, nothingSpent, type SpendFigures, type SpendTable, sumOf } from './spend-table.ts';

/** What a day's spend is divided by, and the member of LiteLLM's breakdown that has it. */
export type ActivityPart = 'day' | 'model' | 'key' | 'entity';

/** A page of LiteLLM's daily tables: whole days of UTC, or as far as the page goes. */
export interface ActivityPage {
  days: JsonObject[];
  hasMore: boolean;
}

/**
 * Source: LiteLLM 1.104.2, `/user|team|tag/daily/activity`: `results` with a row a day, each with `metrics` and a
 * `breakdown`; the rows of a page are of the database's, so that a day may go on on the next.
 *
 * @returns null for an answer that is none
 */
export function readActivityPage(answer: unknown): ActivityPage | null {
  if (!isJsonObject(answer) || !Array.isArray(answer['results'])) return null;
  const { has_more: hasMore } = objectOf(answer['metadata']);
  return { days: answer['results'].filter(isJsonObject), hasMore: hasMore === true };
}

/** Adds the days of a page to a table. */
export function addActivity(table: SpendTable, { days }: ActivityPage, part: ActivityPart): void {
  for (const day of days) {
    const whole = figuresOfMetrics(objectOf(day['metrics']));
    if (part === 'day') {
      table.add(textOrNull(day['date']), whole);
      continue;
    }
    let named = nothingSpent;
    for (const [id, entry] of entriesOf(objectOf(day['breakdown']), part)) {
      const figures = figuresOfMetrics(objectOf(objectOf(entry)['metrics']));
      table.add(nameOf(part, id, objectOf(objectOf(entry)['metadata'])), figures);
      named = sumOf(named, figures);
    }
    // Of a tag the parts are more than the whole, and of what has no model's name, less.
    const rest = missing(whole, named);
    if (rest !== null && part !== 'entity') table.add(null, rest);
  }
}

function entriesOf(breakdown: JsonObject, part: Exclude<ActivityPart, 'day'>): [string, unknown][] {
  if (part === 'key') return Object.entries(objectOf(breakdown['api_keys']));
  if (part === 'entity') return Object.entries(objectOf(breakdown['entities']));
  // Under the name that people ask for; releases before 1.77 have only the providers' own.
  const groups = Object.entries(objectOf(breakdown['model_groups']));
  return groups.length > 0 ? groups : Object.entries(objectOf(breakdown['models']));
}

/** The alias where there is one; LiteLLM's word for nobody is none. */
function nameOf(part: ActivityPart, id: string, metadata: JsonObject): string | null {
  if (part === 'model') return id || null;
  if (part === 'key') return textOrNull(metadata['key_alias']) || (id === '' ? null : `${id.slice(0, 8)}…`);
  if (id === 'Unassigned' || id === '') return null;
  const aliases = ['team_alias', 'user_email', 'user_alias'].map((name) => textOrNull(metadata[name]));
  return aliases.find((alias) => alias !== null && alias !== '') ?? id;
}

/** What the whole has over its parts; null when there is nothing but rounding. */
function missing(whole: SpendFigures, named: SpendFigures): SpendFigures | null {
  const requests = whole.requests - named.requests;
  const rest = (figure: 'spend' | 'failed' | 'inputTokens' | 'outputTokens'): number | null =>
    whole[figure] === null ? null : Math.max(0, whole[figure] - (named[figure] ?? 0));
  if (requests <= 0) return null;
  return {
    spend: rest('spend'),
    requests,
    failed: rest('failed'),
    inputTokens: rest('inputTokens'),
    outputTokens: rest('outputTokens'),
    unpriced: 0,
  };
}
