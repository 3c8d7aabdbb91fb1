import type { Turn } from '../../history/history.ts';
import { textOf } from '../../history/rows.ts';
import type { ChatMessage } from '../../protocol/types.ts';
import type { MadePrompt } from './template-prompt.ts';

/** Shorter ones say as much as the note that would stand for them. */
const leastCharacters = 200;

/**
 * The messages of a prompt whose commands gave what an earlier turn of the conversation holds: every turn is sent with all
 * those before it, so the same output would be paid for again each time. One that has changed goes along.
 */
export function withoutRepeated(
  { messages, outputs }: MadePrompt,
  turns: readonly Turn[],
  say: (text: string) => void,
): MadePrompt['messages'] {
  // A turn without a reply is no context of the next one.
  const earlier = turns
    .filter(({ completion }) => completion !== null)
    .map((turn) => ({ seq: turn.seq, text: textOf(turn.messages) }));
  const replaced = outputs.flatMap((output) => {
    const found = output.length < leastCharacters ? undefined : earlier.findLast(({ text }) => text.includes(output));
    return found === undefined ? [] : [{ output, seq: found.seq }];
  });
  if (replaced.length === 0) return messages;
  for (const { output, seq } of replaced)
    say(`the output of ${nameOf(output)} is as in turn ${seq}, and not sent again`);
  const shortened = (text: string): string =>
    replaced.reduce((rest, { output }) => rest.replace(output, () => noteOf(output)), text);
  const prompt = messages.at(-1) as ChatMessage;
  const content =
    typeof prompt.content === 'string'
      ? shortened(prompt.content)
      : (prompt.content ?? []).map((part) =>
          part !== null && typeof part === 'object' && !Array.isArray(part) && typeof part['text'] === 'string'
            ? { ...part, text: shortened(part['text']) }
            : part,
        );
  return [...messages.slice(0, -1), { ...prompt, content }];
}

/** Its opening tag, and that it stands above. */
function noteOf(output: string): string {
  return `${output.slice(0, output.indexOf('\n'))}unchanged: as above in this conversation</context>`;
}

function nameOf(output: string): string {
  return /^<context name="([\w.-]+)"/.exec(output)?.[1] ?? 'a command';
}
