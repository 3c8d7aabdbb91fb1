import { verdicts, type Verdict } from '../outcome/exits.ts';
import { readCompletion } from '../protocol/completion-reader.ts';
import { isJsonObject, parseJson } from '../protocol/json.ts';
import { readMessages } from '../protocol/message-reader.ts';
import type { ChatCompletion, ChatMessage, Json } from '../protocol/types.ts';

/** The template that a prompt was made from. */
export interface TurnTemplate {
  name: string;
  /** Of the template's bytes: `sha256:…`. */
  digest: string;
  /** What its variables stood for; that of one which is named like a secret is not kept. */
  variables: Readonly<Record<string, Json>>;
}

/** A prompt to commit. */
export interface NewTurn {
  /** An existing conversation by its id, with the system prompt that it has from now on; or a new one, unless one of that name exists: then the turn joins it. */
  conversation: { id: string; system?: string | null } | { name?: string | null; system: string | null };
  /** What this turn adds to the request. */
  messages: ChatMessage[];
  /** The model asked for. */
  model: string;
  /** The other fields of the request body. */
  request?: Record<string, unknown> | null;
  /** The proxy that the turn goes to, with all that came before it; null when nobody knows. */
  baseUrl?: string | null;
  /** Null for a prompt of its own. */
  template?: TurnTemplate | null;
}

export interface TurnError {
  code: string;
  message: string;
}

/** A reply to commit, or why there is none. */
export interface TurnEnd {
  completion: ChatCompletion | null;
  verdict: Verdict | null;
  error: TurnError | null;
  receipt: Record<string, unknown> | null;
}

/** One prompt with its completion. Times are ISO 8601 in UTC, for display only: `seq` is the order. */
export interface Turn extends TurnEnd {
  id: string;
  /** From 1, without gaps, in the order in which prompts were committed. */
  seq: number;
  createdAt: string;
  /** Null while the reply is under way, or when a crash left the turn without an end. */
  endedAt: string | null;
  model: string;
  messages: ChatMessage[];
  request: Record<string, unknown> | null;
  /** Null for a prompt of its own. */
  template: TurnTemplate | null;
  /** The columns that are no JSON any more, and are empty here; absent when there are none. */
  damage?: readonly string[];
}

export interface ConversationSummary {
  id: string;
  name: string | null;
  /** The beginning of the first prompt. */
  title: string;
  createdAt: string;
  updatedAt: string;
  /** Of a fork, with the turns that it shares. */
  turnCount: number;
  /** Of the latest turn. */
  model: string | null;
  system: string | null;
  /** Where a fork left its parent: the last turn that both have. */
  parent: { id: string; seq: number } | null;
}

/** What turns have cost together: a figure that none of them tells is null. */
export interface HistorySpend {
  /** The day of the local calendar, the model or the conversation. */
  name: string | null;
  /** Turns that a reply came for. */
  requests: number;
  /** USD. */
  spend: number | null;
  /** Those of the turns whose cost nobody knows. */
  unpriced: number;
  inputTokens: number | null;
  outputTokens: number | null;
}

/** What a conversation has cost; null is what nobody told. */
export interface ConversationTotals {
  costUsd: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
}

/** The columns of a turn, as SQLite gives them. */
export interface TurnRow {
  position: number;
  id: string;
  conversation_id: string;
  seq: number;
  model: string;
  created_at: string;
  ended_at: string | null;
  verdict: string | null;
  prompt_checksum: number;
  reply_checksum: number | null;
  error: string | null;
  receipt: string | null;
  request: string | null;
  prompt: string;
  messages: string;
  completion: string | null;
  base_url: string | null;
  template: string | null;
}

/** All but the reply's text, which SQLite takes out of the completion and can not where that is damaged. */
export const turnColumns = [
  'position',
  'id',
  'conversation_id',
  'seq',
  'model',
  'created_at',
  'ended_at',
  'verdict',
  'prompt_checksum',
  'reply_checksum',
  'error',
  'receipt',
  'request',
  'prompt',
  'messages',
  'completion',
  'base_url',
  'template',
]
  .map((name) => `turns.${name}`)
  .join();

/** The columns of a conversation. */
export interface ConversationRow {
  position: number;
  id: string;
  name: string | null;
  parent_id: string | null;
  parent_seq: number | null;
  created_at: string;
  checksum: number;
  activity: number;
  turn_count: number;
  model: string | null;
  updated_at: string;
  title: string;
  system: string | null;
  origin: string | null;
}

/**
 * The turn of a row. The columns of JSON are read through the same checks as what a proxy sends: an older cllm, an import
 * or a hand may have written them. What is stored stays as it is, and what is no JSON takes nothing else with it.
 */
export function turnOf(row: TurnRow): Turn {
  const damage: string[] = [];
  const parsed = (name: 'messages' | 'request' | 'completion' | 'error' | 'receipt' | 'template'): unknown => {
    const text = row[name];
    if (text === null) return null;
    try {
      return parseJson(text);
    } catch {
      // The parser's own message quotes the text: a prompt, here.
      damage.push(name);
      return null;
    }
  };
  const turn = {
    id: row.id,
    seq: row.seq,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    model: row.model,
    messages: readMessages(parsed('messages')),
    request: recordOf(parsed('request')),
    template: readTemplate(parsed('template')),
    completion: readCompletion(parsed('completion')),
    verdict: verdictOf(row.verdict),
    error: errorOf(parsed('error')),
    receipt: recordOf(parsed('receipt')),
  };
  return damage.length === 0 ? turn : { ...turn, damage };
}

export function summaryOf(row: ConversationRow): ConversationSummary {
  return {
    id: row.id,
    name: row.name,
    title: row.title,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    turnCount: row.turn_count,
    model: row.model,
    system: row.system,
    parent: parentOf(row.parent_id, row.parent_seq),
  };
}

/** What summaries are made from, but for the system prompts: all of it is short. */
export const summaryColumns = [
  'id',
  'name',
  'title',
  'created_at',
  'updated_at',
  'turn_count',
  'model',
  'parent_id',
  'parent_seq',
] as const;

type SummaryColumns = { [Name in (typeof summaryColumns)[number]]: ConversationRow[Name][] };

/** The summary of the row at an index of the columns. Without a row in between, which for 10,000 takes 10 ms. */
export function summaryAt(columns: SummaryColumns, at: number, system: string | null): ConversationSummary {
  return {
    id: columns.id[at] as string,
    name: columns.name[at] as string | null,
    title: columns.title[at] as string,
    createdAt: columns.created_at[at] as string,
    updatedAt: columns.updated_at[at] as string,
    turnCount: columns.turn_count[at] as number,
    model: columns.model[at] as string | null,
    system,
    parent: parentOf(columns.parent_id[at] as string | null, columns.parent_seq[at] as number | null),
  };
}

function parentOf(id: string | null, seq: number | null): ConversationSummary['parent'] {
  return id === null || seq === null ? null : { id, seq };
}

/** The text of messages, for the search and the title: text parts of every message, a line each. */
export function textOf(messages: readonly ChatMessage[]): string {
  const texts: string[] = [];
  for (const { content } of messages) {
    if (typeof content === 'string') texts.push(content);
    else if (Array.isArray(content)) {
      for (const part of content) {
        const text = part !== null && typeof part === 'object' && !Array.isArray(part) ? part['text'] : null;
        if (typeof text === 'string') texts.push(text);
      }
    }
  }
  return texts.join('\n');
}

/** The first line of a prompt that has text, at most 60 characters of it. */
export function titleOf(prompt: string): string {
  const line = prompt
    .slice(0, 4096)
    .split(/[\r\n]+/)
    .map((each) => each.trim().replaceAll(/\s+/g, ' '))
    .find((each) => each !== '');
  const characters = Array.from(line ?? '(no text)');
  return characters.length <= 60 ? characters.join('') : `${characters.slice(0, 59).join('').trimEnd()}…`;
}

/** Null for anything else: a hand, or somebody's export, may have written it. */
export function readTemplate(value: unknown): TurnTemplate | null {
  if (!isJsonObject(value)) return null;
  const { name, digest, variables } = value;
  if (typeof name !== 'string' || !/^[^\p{Cc}\p{Bidi_Control}]{1,1024}$/u.test(name)) return null;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest) || !isJsonObject(variables)) return null;
  return { name, digest, variables: variables as Readonly<Record<string, Json>> };
}

export function json(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

function recordOf(value: unknown): Record<string, unknown> | null {
  return isJsonObject(value) ? value : null;
}

function verdictOf(word: unknown): Verdict | null {
  return verdicts.find((verdict) => verdict === word) ?? null;
}

/** An error of another kind is one all the same: the turn did not end well. */
function errorOf(value: unknown): TurnError | null {
  if (value === null) return null;
  const { code, message } = isJsonObject(value) ? value : {};
  return {
    code: typeof code === 'string' ? code : 'unknown',
    message: typeof message === 'string' ? message : 'an error of which nothing else was kept',
  };
}
