import type { CallRecord } from '../../conversation/turn.ts';
import type { Output } from '../../terminal/output.ts';
import { joined, ours, type OwnText, styled } from '../../terminal/own-text.ts';
import { toolCallText } from './tool-call.ts';

/** Characters of arguments, or of a result, in the one line that a call takes. */
const shortText = 120;

const words: Record<CallRecord['decision'], string> = {
  allowed: 'runs',
  refused: 'refused',
  needed: 'needs to be allowed',
  caller: 'yours to answer',
  failed: 'can not run',
};

/** What was decided on a call, in a line: the tool, its arguments, and the rule that decided. */
export function approvalText(record: CallRecord, isVerbose: boolean, output: Output): OwnText {
  const { name, id, input, decision, rule } = record;
  const because = rule === null ? '' : ` by ${rule}`;
  const verdict = styled(output, decision === 'allowed' ? 'dim' : 'red', `${words[decision]}${because}`);
  if (isVerbose || decision === 'needed' || decision === 'caller')
    return ours`${toolCallText({ name, id, input, isMalformed: false }, output)} ${verdict}`;
  return ours`${styled(output, 'dim', 'tool call')} ${styled(output, 'bold', name)} ${oneLine(input)} ${verdict}`;
}

/** What a call came to, in a line, or whole. */
export function resultText({ name, result }: CallRecord, isVerbose: boolean, output: Output): OwnText {
  if (result === null) return ours``;
  const { text, isError, durationMs } = result;
  const time = durationMs === null ? '' : ` (${(durationMs / 1000).toFixed(2)} s)`;
  const title = ours`${styled(output, isError ? 'red' : 'dim', isError ? 'tool failed' : 'tool result')} ${name}${styled(output, 'dim', time)}`;
  if (!isVerbose) return ours`${title} ${oneLine(text)}`;
  return ours`${title}${joined(text.split('\n').map((line) => ours`\n  ${line}`))}`;
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > shortText ? `${line.slice(0, shortText - 1)}…` : line;
}
