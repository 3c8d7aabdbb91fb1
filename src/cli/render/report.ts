import type { CllmError } from '../../errors.ts';
import { nextStep } from '../../next-step.ts';
import type { Output } from '../io.ts';
import { styled } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';
import { foldLines } from '../../protocol/fold-lines.ts';

/** An error for people: what and with which value, then what to do next. At most two lines, and no stack trace. */
export async function reportError(stderr: Output, error: CllmError): Promise<void> {
  await stderr.write(`${styled(stderr, 'red', 'cllm:')} ${oneLine(error.message)}\n`);
  await stderr.write(`  ${oneLine(nextStep(error))}\n`);
}

/** A remark for people that is no error. */
export async function remark(stderr: Output, text: string): Promise<void> {
  await stderr.write(`${styled(stderr, 'dim', `cllm: ${oneLine(text)}`)}\n`);
}

function oneLine(text: string): string {
  return terminalSafe(foldLines(text));
}
