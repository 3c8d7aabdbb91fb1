import { UsageError } from '../outcome/errors.ts';
import { verdicts, type Verdict } from '../outcome/exits.ts';
import { readCompletion } from '../protocol/completion-reader.ts';
import { isJsonObject, parseJson } from '../protocol/json.ts';
import { readMessages } from '../protocol/message-reader.ts';
import type { ChatCompletion, ChatMessage } from '../protocol/types.ts';
import { readTemplate, textOf, titleOf, type TurnError, type TurnTemplate } from './rows.ts';
import { deciders } from './tool-runs.ts';

/** One line of an export. Names are snake_case as in all JSON that cllm prints. */
export interface ExportedConversation {
  type: 'conversation';
  version: 1;
  id: string;
  name: string | null;
  title: string;
  system: string | null;
  /** Of a fork: `turns` begin after `seq`. */
  parent: { id: string; seq: number } | null;
  /** Where it was imported from before; null for one of our own. */
  origin: string | null;
  created_at: string;
  updated_at: string;
  /** 1 for the conversation that was used longest ago. */
  rank: number;
  turns: ExportedTurn[];
}

export interface ExportedTurn {
  id: string;
  seq: number;
  model: string;
  created_at: string;
  ended_at: string | null;
  messages: ChatMessage[];
  request: Record<string, unknown> | null;
  completion: ChatCompletion | null;
  verdict: Verdict | null;
  error: TurnError | null;
  receipt: Record<string, unknown> | null;
  /** The template that the prompt was made from; older files do not have it. */
  template: TurnTemplate | null;
  /** What became of the reply's calls; absent where there is nothing. */
  tool_runs?: ExportedToolRun[];
}

export interface ExportedToolRun {
  /** Of the call in its reply, from 0. */
  place: number;
  decided_by: string;
  started_at: string;
  ended_at: string | null;
  is_error: boolean;
  content: string | null;
}

/**
 * Reads a line that somebody's export wrote, and takes nothing in it on trust: a member of another kind than its own is
 * refused, and a completion is read like one of a proxy's.
 *
 * @throws UsageError `input_invalid`, naming the line.
 */
export function parsedLine(line: string, number: number): ExportedConversation {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    throw invalid(
      number,
      (error as Error).message === 'nested too deeply' ? 'it is nested too deeply' : 'it is no JSON',
    );
  }
  if (!isJsonObject(value) || value['type'] !== 'conversation')
    throw invalid(number, 'it is no conversation that cllm exported');
  const version = value['version'];
  if (typeof version !== 'number') throw invalid(number, 'it has no version');
  if (version !== 1) throw invalid(number, `a newer cllm wrote it (version ${version})`);
  const field = fieldsOf(value, number);
  const id = field('id', isIdentifier);
  const name = field('name', orNull(isName));
  const parent = field('parent', orNull(isParent));
  const turns = field('turns', isArray).map((turn) => parsedTurn(turn, number));
  turns.forEach((turn, index) => {
    if (turn.seq !== (parent?.seq ?? 0) + index + 1) throw invalid(number, `turn ${turn.seq} is out of order`);
  });
  const prompt = textOf(turns[0]?.messages ?? []);
  return {
    type: 'conversation',
    version: 1,
    id,
    name,
    title: titleOf(field('title', orNull(isString)) ?? prompt),
    system: field('system', orNull(isString)),
    parent,
    origin: field('origin', orNull(isString)),
    created_at: field('created_at', isTime),
    updated_at: field('updated_at', isTime),
    rank: field('rank', isNumber),
    turns,
  };
}

function parsedTurn(value: unknown, line: number): ExportedTurn {
  if (!isJsonObject(value)) throw invalid(line, 'a turn is no object');
  const field = fieldsOf(value, line);
  const runs = field('tool_runs', orNull(isToolRuns));
  return {
    ...(runs !== null && { tool_runs: runs }),
    id: field('id', isIdentifier),
    seq: field('seq', isSeq),
    model: field('model', isString),
    created_at: field('created_at', isTime),
    ended_at: field('ended_at', orNull(isTime)),
    messages: readMessages(field('messages', isMessages)),
    request: field('request', orNull(isJsonObject)),
    completion: readCompletion(field('completion', orNull(isCompletion))),
    verdict: field('verdict', orNull(isVerdict)),
    error: field('error', orNull(isTurnError)),
    receipt: field('receipt', orNull(isJsonObject)),
    template: readTemplate(field('template', orNull(isTemplate))),
  };
}

function isToolRuns(value: unknown): value is ExportedToolRun[] {
  if (!Array.isArray(value)) return false;
  const places = new Set<unknown>();
  return value.every((run) => {
    if (!isJsonObject(run)) return false;
    const { place, decided_by: decider, started_at: start, ended_at: end, is_error: isError, content } = run;
    const isNew = Number.isSafeInteger(place) && Number(place) >= 0 && !places.has(place);
    places.add(place);
    const isEnded = isTime(end) && typeof content === 'string';
    return (
      isNew &&
      deciders.some((word) => word === decider) &&
      isTime(start) &&
      typeof isError === 'boolean' &&
      (isEnded || (end === null && content === null))
    );
  });
}

type Guard<Type> = (value: unknown) => value is Type;

/** Reads fields of a line; one that is missing counts as null. */
function fieldsOf(value: Record<string, unknown>, line: number) {
  return <Type>(name: string, is: Guard<Type>): Type => {
    const field = Object.hasOwn(value, name) ? value[name] : null;
    if (!is(field)) throw invalid(line, `"${name}" is ${field === null ? 'missing' : 'not what it should be'}`);
    return field;
  };
}

function orNull<Type>(is: Guard<Type>): Guard<Type | null> {
  return (value): value is Type | null => value === null || is(value);
}

function isArray(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-z]{1,64}$/.test(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isParent(value: unknown): value is { id: string; seq: number } {
  return isJsonObject(value) && isIdentifier(value['id']) && isSeq(value['seq']);
}

function isTime(value: unknown): value is string {
  const isWritten = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
  return isWritten && !Number.isNaN(Date.parse(value));
}

function isMessages(value: unknown): value is ChatMessage[] {
  return (
    Array.isArray(value) &&
    value.every((message) => isJsonObject(message) && isRole(message['role']) && isContent(message['content'] ?? null))
  );
}

/** A word: a line break in it would write headings into a document of the conversation. */
function isRole(value: unknown): boolean {
  return typeof value === 'string' && /^\P{Cc}{0,64}$/u.test(value);
}

function isContent(value: unknown): boolean {
  return value === null || typeof value === 'string' || (Array.isArray(value) && value.every(isJsonObject));
}

function isCompletion(value: unknown): value is ChatCompletion {
  return (
    isJsonObject(value) &&
    Array.isArray(value['choices']) &&
    value['choices'].every((choice) => isJsonObject(choice) && isJsonObject(choice['message']))
  );
}

function isVerdict(value: unknown): value is Verdict {
  return verdicts.includes(value as Verdict);
}

function isTemplate(value: unknown): value is Record<string, unknown> {
  return readTemplate(value) !== null;
}

function isTurnError(value: unknown): value is TurnError {
  return isJsonObject(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string';
}

export function invalid(line: number, reason: string): UsageError {
  return new UsageError(`line ${line} can not be imported: ${reason}`, {
    code: 'input_invalid',
    hint: 'nothing was imported; give a file that `cllm history export` wrote',
  });
}
