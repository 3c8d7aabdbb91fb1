import type { ToolCall } from '../../protocol/types.ts';
import type { Paint } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';

/** The longest arguments that stand beside the name of their tool. */
const shortArguments = 60;

/** A call for people: which tool, with what, and the id that an answer would name. JSON arguments are laid out. */
export function toolCallText(call: ToolCall, paint: Paint): string {
  const [name, input] =
    'custom' in call ? [call.custom.name, call.custom.input] : [call.function.name, call.function.arguments];
  const title = `${paint('dim', 'tool call')} ${paint('bold', terminalSafe(name ?? '(without a name)'))}`;
  const id = call.id === null ? '' : ` ${paint('dim', terminalSafe(`(${call.id})`))}`;
  const shown = laidOut(input);
  if (shown === '') return `${title}${id}`;
  if (!shown.includes('\n')) return `${title} ${terminalSafe(shown)}${id}`;
  const lines = terminalSafe(shown.replaceAll('\r\n', '\n')).split('\n');
  return `${title}${id}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function laidOut(input: string): string {
  let value: unknown;
  try {
    value = JSON.parse(input);
  } catch {
    return input;
  }
  const line = JSON.stringify(value);
  return line.length <= shortArguments ? line : JSON.stringify(value, null, 2);
}
