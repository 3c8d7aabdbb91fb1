import { isDeepStrictEqual } from 'node:util';
import { expect, test } from '@jest/globals';

import { conversationJson, conversationText } from '../../src/cli/views/conversation.ts';
import { EventsView, JsonView } from '../../src/cli/views/json.ts';
import { receiptLine } from '../../src/cli/views/receipt-line.ts';
import { TextView } from '../../src/cli/views/text.ts';
import type { View } from '../../src/cli/views/view.ts';
import { receiptOf, receiptToJson } from '../../src/client/receipt.ts';
import { contextOf } from '../../src/conversation/conversation-context.ts';
import { conversationMarkdown } from '../../src/history/markdown.ts';
import { type ConversationSummary, turnOf } from '../../src/history/rows.ts';
import { decidingChoice } from '../../src/protocol/verdict.ts';
import { type Reply, ReplyReader } from '../../src/protocol/reply-reader.ts';
import type { Arrival } from '../../src/protocol/arrival.ts';
import type { ResultObject } from '../../src/conversation/result-object.ts';
import { wrongMembers } from '../support/completion-shape.ts';
import { memoryIo, type MemoryIo } from '../support/memory-io.ts';
import { jsonOf, OddValues } from '../support/odd-completions.ts';
import { seed } from '../support/seed.ts';

/**
 * Whole completions as no proxy should send them, and some do, from the bytes to everything that shows, keeps or sends
 * them: nothing throws, no text is lost, and what is called complete is there to be seen.
 */
const bodies = 30_000;
const inOneTest = 5_000;

const summary: ConversationSummary = {
  id: '0aaaaaaa',
  name: null,
  title: 't',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  turnCount: 1,
  model: 'm',
  system: null,
  parent: null,
};

const parts = Array.from({ length: bodies / inOneTest }, (_, part) => seed + part);

test.each(parts)(`${inOneTest} of any shape are shown, kept and sent (seed %i)`, async (partSeed) => {
  const odd = new OddValues(partSeed);
  const found: { body: string; problems: string[] }[] = [];
  for (let count = 0; count < inOneTest; count += 1) {
    const body = jsonOf(odd.completion());
    const problems = await problemsOf(body, count % 2 === 0).catch((error: Error) => [String(error.stack)]);
    if (problems.length > 0) found.push({ body, problems });
  }
  expect(found.slice(0, 3)).toEqual([]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

/** What is wrong, in words: 300,000 calls of `expect` would take longer than all else. */
async function problemsOf(body: string, isTTY: boolean): Promise<string[]> {
  const { arrival, reply } = read(body);
  const { completion, verdict } = reply;
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(problem);
  };
  const written = wordsIn(body);
  if (completion === null) return written.length === 0 ? [] : ['all is lost'];
  problems.push(...wrongMembers(completion));
  const kept = JSON.stringify(completion);
  check(
    written.every((words) => kept.includes(words)),
    'a text is not kept',
  );

  const said = wordsIn(decidingChoice(completion)?.message.content ?? '');
  const isAllIn = (shown: string): boolean => said.every((words) => shown.includes(words));
  const text = await shownBy((io) => textView(io), arrival, reply, isTTY);
  check(isAllIn(text.stdout), 'a text is not shown');
  const isSilent = `${text.stdout}${text.stderr}`.trim() === '';
  check(verdict !== 'complete' || !isSilent, 'complete, and nothing is shown');

  const events = await shownBy((io) => new EventsView(programOptions(io)), arrival, reply, isTTY);
  const lines = events.stdout.trimEnd().split('\n');
  const messages = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const joined = messages.map(({ type, content }) => (type === 'message' ? content : '')).join('');
  const { result } = messages.at(-1) as unknown as ResultObject;
  check(isAllIn(result), 'a text is not in the result');
  if (isTTY) {
    const json = await shownBy((io) => new JsonView(programOptions(io)), arrival, reply, isTTY);
    check((JSON.parse(json.stdout) as ResultObject).result === result, 'the result object and the event disagree');
  }
  check(joined === result, `the message events are ${JSON.stringify(joined)}, the result ${JSON.stringify(result)}`);

  const turn = turnOf({
    position: 1,
    id: 't',
    conversation_id: 'c',
    seq: 1,
    model: 'm',
    created_at: summary.createdAt,
    ended_at: summary.createdAt,
    verdict,
    prompt_checksum: 0,
    reply_checksum: 0,
    error: reply.error && JSON.stringify({ code: reply.error.code, message: reply.error.message }),
    receipt: JSON.stringify(receiptToJson(receiptFor(reply))),
    request: null,
    prompt: 'hi',
    messages: '[{"role":"user","content":"hi"}]',
    completion: kept,
    base_url: null,
    template: null,
  });
  // But for a number beyond all, which JSON has not.
  const isKept = body.includes('1e400') || isDeepStrictEqual(turn.completion, JSON.parse(kept));
  check(isKept, 'the history says something else than what was printed');
  check(isAllIn(conversationText(summary, [turn])), 'a text is not in history show');
  check(isAllIn(conversationMarkdown(summary, [turn])), 'a text is not in history show --format markdown');
  JSON.parse(JSON.stringify(conversationJson(summary, [turn])));
  const { messages: context } = contextOf([turn], { system: null, model: 'm' });
  check(
    context.every(({ content }) => typeof content === 'string'),
    'what is sent with the next turn is no text',
  );
  return problems;
}

function wordsIn(text: string): string[] {
  return text.match(/words\d+\./g) ?? [];
}

function read(body: string): { arrival: Arrival; reply: Reply } {
  const reader = new ReplyReader({ status: 200, contentType: 'application/json' });
  const arrival = reader.push(Buffer.from(body));
  const finished = reader.finish({ type: 'end' });
  arrival.append(finished.arrival);
  return { arrival, reply: finished.reply };
}

async function shownBy(
  viewOf: (io: MemoryIo) => View,
  arrival: Arrival,
  reply: Reply,
  isTTY: boolean,
): Promise<{ stdout: string; stderr: string }> {
  const io = memoryIo({ isTTY });
  const view = viewOf(io);
  await view.begin?.({ partialReplies: 0, conversationId: null, model: 'm' });
  await view.arrival?.(arrival);
  const { completion, verdict, error } = reply;
  const receipt = receiptFor(reply);
  receiptLine({ receipt, conversationId: 'c', verdict });
  await view.end({
    conversationId: 'c',
    completion,
    verdict,
    receipt,
    error,
    unsaved: null,
    decisive: error,
    errors: error === null ? [] : [error],
  });
  return { stdout: io.stdout.text, stderr: io.stderr.text };
}

function textView(io: MemoryIo): TextView {
  return new TextView(io, {
    isReasoningShown: true,
    isQuiet: true,
    isHeldBack: false,
    isMarkdown: false,
    isVerbose: false,
    keptIn: null,
  });
}

function programOptions({ stdout, now }: MemoryIo): ConstructorParameters<typeof JsonView>[0] {
  return { stdout, model: 'm', template: null, baseUrl: 'b', timestamp: () => summary.createdAt, now };
}

function receiptFor({ completion }: Reply): ReturnType<typeof receiptOf> {
  return receiptOf({
    modelRequested: 'm',
    headers: {},
    completion,
    fallbackModel: null,
    retries: 0,
    durationMs: 1,
    ttftMs: 1,
  });
}
