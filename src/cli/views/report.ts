import type { CllmError } from '../../outcome/errors.ts';
import { nextStep } from '../../outcome/error-table.ts';
import type { Output } from '../../terminal/output.ts';
import { ours, styled } from '../../terminal/own-text.ts';
import { foldLines } from '../../protocol/fold-lines.ts';

/** An error for people: what and with which value, then what to do next. At most two lines, and no stack trace. */
export async function reportError(stderr: Output, error: CllmError): Promise<void> {
  await stderr.write(ours`${styled(stderr, 'red', 'cllm:')} ${oneLine(stderr.masked(error.message))}\n`);
  await stderr.write(ours`  ${oneLine(stderr.masked(nextStep(error)))}\n`);
}

/** A remark for people that is no error. */
export async function remark(stderr: Output, text: string): Promise<void> {
  await stderr.write(ours`${styled(stderr, 'dim', `cllm: ${oneLine(stderr.masked(text))}`)}\n`);
}

/** Sentences of several lines read on in one. */
function oneLine(text: string): string {
  return foldLines(text.replace(/[\u2028\u2029]/g, '\n'));
}
