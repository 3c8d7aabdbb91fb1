import { mediaOf, mediaTitle } from '../protocol/media.ts';
import type { ChatCompletion, ChatMessage, Json } from '../protocol/types.ts';
import { templateLine } from './template-line.ts';
import { textOf, type ConversationSummary, type Turn } from './rows.ts';

/**
 * A conversation as a Markdown document: the prompts and replies as they are, under headings that say whose they are.
 * Replies are Markdown themselves and stay untouched.
 */
export function conversationMarkdown(conversation: ConversationSummary, turns: readonly Turn[]): string {
  const facts = [
    `- conversation: ${conversation.id}${conversation.name === null ? '' : ` (${oneLine(conversation.name)})`}`,
    `- started: ${conversation.createdAt}`,
    ...(conversation.parent === null
      ? []
      : [`- forked from: ${conversation.parent.id} after turn ${conversation.parent.seq}`]),
  ];
  const blocks = [`# ${oneLine(conversation.name ?? conversation.title)}`, facts.join('\n')];
  if (conversation.system !== null) blocks.push('## System', conversation.system);
  for (const turn of turns) blocks.push(...turnBlocks(turn));
  return `${blocks.map((block) => block.trimEnd()).join('\n\n')}\n`;
}

function turnBlocks(turn: Turn): string[] {
  const blocks = [`## ${turn.seq}. Prompt`];
  for (const message of turn.messages) {
    if (message.role !== 'user') blocks.push(`*${oneLine(message.role)}:*`);
    blocks.push(textOf([message]), ...attachments(message));
  }
  if (turn.template !== null) blocks.push(`*(${escaped(templateLine(turn.template))})*`);
  blocks.push(
    `## ${turn.seq}. Reply (${oneLine(turn.completion?.model || turn.model)})`,
    ...replyBlocks(turn.completion),
  );
  const note = noteOf(turn);
  if (note !== null) blocks.push(`> ${note}`);
  return blocks.filter((block) => block !== '');
}

function replyBlocks(completion: ChatCompletion | null): string[] {
  const message = completion?.choices[0]?.message;
  if (message === undefined) return [];
  const blocks = [message.content ?? '', message.refusal ?? ''];
  for (const call of message.tool_calls ?? []) {
    const [name, input] =
      'custom' in call ? [call.custom.name, call.custom.input] : [call.function.name, call.function.arguments];
    blocks.push(fenced('json', input, `Tool call \`${oneLine(name ?? '?')}\`:`));
  }
  const old = message.function_call;
  if (old) blocks.push(fenced('json', old.arguments, `Tool call \`${old.name ?? '?'}\`:`));
  for (const media of mediaOf(message)) blocks.push(`*(${media.kind}: ${mediaTitle(media)})*`);
  return blocks.filter((block) => block !== '');
}

function noteOf(turn: Turn): string | null {
  if (turn.endedAt === null) return 'There is no reply: the turn was not ended.';
  if (turn.verdict === 'complete' || (turn.verdict === null && turn.error === null)) return null;
  return `Not complete: ${turn.verdict ?? turn.error?.code ?? 'unknown'}.`;
}

/** What is not text is named, not copied: an image in a message is megabytes of base64. */
function attachments(message: ChatMessage): string[] {
  if (!Array.isArray(message.content)) return [];
  return message.content.map((part) => `*(${oneLine(kindOf(part))})*`).filter((text) => text !== '*(text)*');
}

/** A name or a value is no markup: it could end the note that it stands in. */
function escaped(text: string): string {
  return oneLine(text).replaceAll(/[\\`*_[\]<>&]/g, '\\$&');
}

/** A heading is one line: a name, a role or a model's word with a line break could write others. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

function kindOf(part: Json): string {
  const type = part !== null && typeof part === 'object' && !Array.isArray(part) ? part['type'] : null;
  return typeof type === 'string' ? type : 'attachment';
}

/** A fence that is longer than every run of backticks in the text. */
function fenced(language: string, text: string, caption: string): string {
  const longest = [...text.matchAll(/`+/g)].reduce((most, [run]) => Math.max(most, run.length), 2);
  const fence = '`'.repeat(longest + 1);
  return `${caption}\n\n${fence}${language}\n${text}\n${fence}`;
}
