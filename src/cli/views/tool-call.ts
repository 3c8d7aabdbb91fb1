import { parseJson } from '../../protocol/json.ts';
import type { ReplyCall } from '../../protocol/reply-content.ts';
import type { Output } from '../../terminal/output.ts';
import { joined, ours, type OwnText, styled } from '../../terminal/own-text.ts';

/** The longest arguments that stand beside the name of their tool. */
const shortArguments = 60;

/** A call for people: which tool, with what, and the id that an answer would name. JSON arguments are laid out. */
export function toolCallText(call: ReplyCall, output: Output): OwnText {
  const title = ours`${styled(output, 'dim', 'tool call')} ${styled(output, 'bold', call.name)}`;
  const id = call.id === null ? '' : ours` ${styled(output, 'dim', `(${call.id})`)}`;
  const shown = laidOut(call.input).replaceAll('\r\n', '\n');
  if (shown === '') return ours`${title}${id}`;
  if (!shown.includes('\n')) return ours`${title} ${shown}${id}`;
  return ours`${title}${id}${joined(shown.split('\n').map((line) => ours`\n  ${line}`))}`;
}

function laidOut(input: string): string {
  try {
    const value = parseJson(input);
    const line = JSON.stringify(value);
    return line.length <= shortArguments ? line : JSON.stringify(value, null, 2);
  } catch {
    return input;
  }
}
