import { parseJson } from '../../protocol/json.ts';
import { denseJson, laidOutJson } from '../../protocol/json-layout.ts';
import type { ReplyCall } from '../../protocol/reply-content.ts';
import type { Output } from '../../terminal/output.ts';
import { everyLetter } from '../../terminal/every-letter.ts';
import { joined, ours, type OwnText, styled } from '../../terminal/own-text.ts';

/** The longest arguments that stand beside the name of their tool. */
const shortArguments = 60;

/**
 * A call for people: which tool, with what, and the id that an answer would name. JSON arguments are laid out, and say all
 * that goes to the tool: every digit, every name, every letter that nobody would see.
 */
export function toolCallText(call: ReplyCall, output: Output): OwnText {
  const title = ours`${styled(output, 'dim', 'tool call')} ${styled(output, 'bold', everyLetter(call.name))}`;
  const id = call.id === null ? '' : ours` ${styled(output, 'dim', `(${call.id})`)}`;
  const shown = everyLetter(laidOut(call.input).replaceAll('\r\n', '\n'));
  if (shown === '') return ours`${title}${id}`;
  if (!shown.includes('\n')) return ours`${title} ${shown}${id}`;
  return ours`${title}${id}${joined(shown.split('\n').map((line) => ours`\n  ${line}`))}`;
}

function laidOut(input: string): string {
  try {
    parseJson(input);
    const line = denseJson(input);
    return line.length <= shortArguments ? line : laidOutJson(input);
  } catch {
    return input;
  }
}
