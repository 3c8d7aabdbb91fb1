import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, failureReason } from '../files/file-error.ts';
import { UsageError } from '../outcome/errors.ts';
import { decodeText } from '../files/text-encoding.ts';
import type { ChatMessage } from '../protocol/types.ts';
import { checksum } from './checksum.ts';
import type { ExportedConversation, ExportedTurn } from './exported-line.ts';
import { textOf, titleOf } from './rows.ts';

/** A conversation of the original cllm, which was written in Python: one JSON file each. */
interface CllmJson {
  id: string;
  model: string;
  created_at: string;
  updated_at: string;
  messages: { role: string; content: string }[];
}

/**
 * The conversations in a directory of the original cllm, as lines for `History.import`. Messages up to a reply make a
 * turn; a system message at the beginning is the conversation's. Verdicts are null: nobody kept how those streams ended.
 *
 * @throws UsageError `input_invalid`, naming the file.
 */
export function* readCllmJson(directory: string): Generator<string> {
  const conversations = namesIn(directory).map((name) => parsedFile(join(directory, name)));
  const ordered = conversations.toSorted((one, other) => one.updated_at.localeCompare(other.updated_at));
  for (const [index, conversation] of ordered.entries()) yield JSON.stringify(converted(conversation, index + 1));
}

function converted(conversation: CllmJson, rank: number): ExportedConversation {
  const [first] = conversation.messages;
  const system = first?.role === 'system' ? first.content : null;
  const messages = conversation.messages.slice(system === null ? 0 : 1);
  // The same file gives the same ids each time, so that what was imported is recognised.
  const id = `0${checksum([conversation.id]).toString(36).padStart(7, '0')}`;
  const turns: ExportedTurn[] = [];
  let added: CllmJson['messages'] = [];
  const endTurn = (reply: CllmJson['messages'][number] | null): void => {
    const seq = turns.length + 1;
    turns.push({
      id: `${id}x${seq}`,
      seq,
      model: conversation.model,
      created_at: conversation.created_at,
      ended_at: reply === null ? null : conversation.updated_at,
      messages: added.map(({ role, content }): ChatMessage => ({ role, content })),
      request: null,
      completion: reply && {
        id: '',
        object: 'chat.completion',
        created: Math.floor(Date.parse(conversation.updated_at) / 1000),
        model: conversation.model,
        choices: [{ index: 0, message: { role: 'assistant', content: reply.content }, finish_reason: null }],
        usage: null,
      },
      verdict: null,
      error: null,
      receipt: null,
      template: null,
    });
    added = [];
  };
  for (const message of messages) {
    if (message.role === 'assistant') endTurn(message);
    else added.push(message);
  }
  if (added.length > 0) endTurn(null);
  return {
    type: 'conversation',
    version: 1,
    id,
    name: null,
    title: titleOf(textOf(turns[0]?.messages ?? [])),
    system,
    parent: null,
    origin: `cllm-json:${conversation.id}`,
    created_at: conversation.created_at,
    updated_at: conversation.updated_at,
    rank,
    turns,
  };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.json'))
      .toSorted();
  } catch (error) {
    throw new UsageError(`${directory} can not be read (${failureReason(error)})`, {
      code: 'input_invalid',
      cause: error,
      hint: 'name the directory that holds the conversations of the original cllm, one JSON file each',
    });
  }
}

function parsedFile(path: string): CllmJson {
  let value: Partial<Record<keyof CllmJson, unknown>> | null;
  let changedAt: Date;
  try {
    const decoded = decodeText(readFileSync(path));
    if (decoded.problem !== null) throw invalid(path, `it ${decoded.problem}`);
    value = JSON.parse(decoded.text) as typeof value;
    changedAt = statSync(path).mtime;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw invalid(path, errorCode(error) ?? 'it is no JSON');
  }
  const { id, model, messages } = value ?? {};
  if (typeof id !== 'string' || !Array.isArray(messages)) throw invalid(path, 'it has no "id" or no "messages"');
  for (const message of messages as unknown[]) {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || typeof content !== 'string')
      throw invalid(path, 'a message has no "role" or no "content"');
  }
  return {
    id,
    model: typeof model === 'string' ? model : 'unknown',
    created_at: timeOf(value?.created_at, changedAt),
    updated_at: timeOf(value?.updated_at, changedAt),
    messages: messages as CllmJson['messages'],
  };
}

/** ISO 8601 text or Unix seconds; else when the file was last changed. */
function timeOf(value: unknown, otherwise: Date): string {
  // Python writes `datetime.isoformat()`: microseconds, and no zone when it means UTC.
  const text = typeof value === 'string' && !/(Z|[+-]\d\d:?\d\d)$/.test(value) ? `${value}Z` : value;
  const date =
    typeof text === 'string' ? new Date(text) : new Date(typeof text === 'number' ? text * 1000 : Number.NaN);
  return (Number.isNaN(date.getTime()) ? otherwise : date).toISOString();
}

function invalid(path: string, reason: string): UsageError {
  return new UsageError(`${path} can not be imported: ${reason}`, {
    code: 'input_invalid',
    hint: 'nothing was imported; move that file away and try again',
  });
}
