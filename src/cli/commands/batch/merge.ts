import { lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import { BatchSummary } from '../../../batch/batch-summary.ts';
import { type Found, isThere, mergeResults, type MergeReport } from '../../../batch/merge-results.ts';
import { readItems } from '../../../batch/select-items.ts';
import { identifyProcess } from '../../../files/process-identity.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { formatUsd } from '../../../spending/usd.ts';
import type { Context } from '../../context.ts';
import { failureTable } from './failure-table.ts';
import { openSource } from './input.ts';
import type { MergeValues } from './merge-command.ts';
import { isTableFormat, tableFormat, wholeInput } from './selection.ts';

/** One results file of several, and what is to be said of it. Nothing is asked, and no key is looked at. */
export async function runMerge(values: MergeValues, { io, remark }: Context): Promise<CllmError | null> {
  const { parts, output: outputName, input: inputName } = values;
  const output = path.resolve(io.cwd, outputName);
  refuseTaken(output, values, io.cwd);
  if (parts.includes('-')) {
    throw new UsageError('a part is a file: it is read twice', { hint: 'write it to a file first' });
  }
  if (inputName !== undefined && values.inputFormat === undefined && isTableFormat(tableFormat(inputName))) {
    throw new UsageError(`--input ${inputName} is a table, whose rows only a template makes items of`, {
      hint: `merge without it; then cllm batch ${inputName} -t NAME -o ${outputName} says what is missing, and asks for it`,
    });
  }
  if (inputName !== undefined && parts.some((part) => isSameFile(part, inputName, io.cwd))) {
    throw new UsageError(`--input ${inputName} is one of the parts, and no input`, {
      hint: 'name what the batch was asked; its results are the parts',
    });
  }
  const source = inputName === undefined ? null : openSource(inputName === '-' ? null : inputName, io);
  const summary = new BatchSummary();
  let report: MergeReport;
  try {
    report = await mergeResults({
      parts,
      cwd: io.cwd,
      output,
      items:
        source &&
        readItems(source.bytes(), {
          fileName: inputName === '-' ? null : (inputName ?? null),
          format: values.inputFormat ?? null,
          shard: wholeInput,
          table: null,
        }),
      identity: identifyProcess(io.pid),
      signal: io.signal,
      onMerged: (result) => summary.add(result),
    });
  } finally {
    await source?.close();
    if (source?.file === null) io.stdin.close();
  }
  const error = problemOf(report, summary, { inputName, outputName });
  if (!values.quiet || error !== null) {
    for (const line of remarks(report, summary, outputName)) remark(line);
    if (summary.failed > 0) await io.stderr.write(failureTable(io.stderr, summary));
  }
  if (error !== null) throw error;
  return null;
}

/** Before anything is read: a name that is taken is a mistake that is known at once. */
function refuseTaken(output: string, { parts, output: name }: MergeValues, cwd: string): void {
  if (lstatSync(output, { throwIfNoEntry: false }) === undefined) return;
  if (!parts.some((part) => isSameFile(part, output, cwd))) throw isThere(name);
  throw new UsageError(`-o ${name} is one of the parts, and stays as it is`, {
    hint: 'name a new file for the merged results',
  });
}

function isSameFile(one: string, other: string, cwd: string): boolean {
  const [a, b] = [one, other].map((name) => statSync(path.resolve(cwd, name), { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** What is to be known of a merged file, a sentence each. */
function remarks(report: MergeReport, { total, failed, costUsd, unknownCosts }: BatchSummary, name: string): string[] {
  const { parts, missing, twofold, foreign, torn } = report;
  const facts = [
    `${counted(total, 'result')} of ${counted(parts, 'part')} in ${name}`,
    missing === null ? 'not compared with the input: --input FILE says what is missing' : null,
    missing !== null && missing.count > 0 ? `${missing.count} missing` : null,
    failed > 0 ? `${failed} failed` : null,
    missing !== null && missing.count === 0 && failed === 0 && twofold.count === 0 ? 'complete' : null,
    costUsd === null ? null : formatUsd(costUsd),
    unknownCosts > 0 ? `cost of ${unknownCosts} unknown` : null,
  ];
  return [
    ...torn.map((part) => `${part}: a crash tore its last line, which is left out`),
    ...(missing !== null && missing.count > 0 ? [`no result: ${linesOf(missing)}`] : []),
    ...(twofold.count > 0
      ? [`two different replies, of which the first is kept: ${linesOf(twofold)} (was a shard run twice?)`]
      : []),
    ...(foreign.count > 0
      ? [`left out, for the input does not have it: ${counted(foreign.count, 'result')} (${linesOf(foreign)})`]
      : []),
    facts.filter((fact) => fact !== null).join(' · '),
  ];
}

function problemOf(
  { missing, twofold, torn }: MergeReport,
  { failed }: BatchSummary,
  { inputName = 'INPUT', outputName }: { inputName: string | undefined; outputName: string },
): CllmError | null {
  const gaps = [
    missing !== null && missing.count > 0 ? `${missing.count} missing` : null,
    failed > 0 ? `${failed} failed` : null,
    // Whether another part has its item only the input tells.
    missing === null && torn.length > 0 ? `a crash tore ${torn.join(', ')}` : null,
  ].filter((gap) => gap !== null);
  if (gaps.length > 0) {
    return new CllmError('batch_partial', `the merged results are not complete: ${gaps.join(', ')}`, {
      hint: `cllm batch ${inputName === '-' ? 'INPUT' : inputName} -o ${outputName} asks for those, and for nothing else`,
    });
  }
  if (twofold.count === 0) return null;
  return new CllmError('batch_partial', `${counted(twofold.count, 'item')} had two different replies`, {
    hint: 'the first of each is kept; leave out the part that should not count, and merge into a new file',
  });
}

function linesOf({ count, lines }: Found): string {
  const shown = lines.toSorted((one, other) => one - other).slice(0, 10);
  return `line ${shown.join(', ')}${count > shown.length ? `, … (${count} in all)` : ''}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
