import { randomUUID } from 'node:crypto';
import { appendFileSync, createWriteStream, lstatSync, realpathSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failureReason } from '../../../files/file-error.ts';
import type { BatchResult } from '../../../batch/batch-result.ts';
import { githubAnnotations, githubOutputs } from '../../../batch/reporters/github.ts';
import { junitReport } from '../../../batch/reporters/junit.ts';
import { markdownReport } from '../../../batch/reporters/markdown.ts';
import type { ReportFacts } from '../../../batch/reporters/report-facts.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { Replacement } from '../../../files/replace-file.ts';
import type { Io } from '../../io.ts';
import { runnerCommand } from '../../../terminal/own-text.ts';

const names = ['github', 'junit', 'markdown'] as const;
type ReporterName = (typeof names)[number];

export interface Report {
  name: ReporterName;
  /** Absolute; null where the reporter has a place of its own. */
  file: string | null;
  /** Whether the user named the file, and not cllm. */
  isNamed: boolean;
}

/** Outputs of a GitHub job share about a megabyte: what is larger is in the file. */
const largestOutput = 64 * 1024;

/**
 * `--reporter github,junit=report.xml,markdown`; without a name a report stands beside the results.
 *
 * @throws UsageError
 */
export function reportsOf(value: string | undefined, resultsFile: string, cwd: string): Report[] {
  if (value === undefined) return [];
  const beside = resultsFile.replace(/\.(jsonl|ndjson|json)$/i, '');
  const reports = value.split(',').map((word): Report => {
    const [, name = word, file] = /^\s*([^=]*)=(.+)$/.exec(word) ?? [];
    switch (name.trim()) {
      case 'github':
        if (file !== undefined) throw wrong(`--reporter github takes no file`);
        return { name: 'github', file: null, isNamed: false };
      case 'junit':
        return { name: 'junit', file: path.resolve(cwd, file ?? `${beside}.junit.xml`), isNamed: file !== undefined };
      case 'markdown':
        return { name: 'markdown', file: path.resolve(cwd, file ?? `${beside}.md`), isNamed: file !== undefined };
      default:
        throw wrong(`there is no reporter ${JSON.stringify(name)}`);
    }
  });
  if (new Set(reports.map(({ name }) => name)).size < reports.length) throw wrong('a reporter is named twice');
  // Not after an hour of prompts.
  for (const { name, file } of reports) {
    if (file === null || file.startsWith(`${beside}.`)) continue;
    const directory = statSync(path.dirname(file), { throwIfNoEntry: false });
    if (directory?.isDirectory() !== true || statSync(file, { throwIfNoEntry: false })?.isDirectory() === true)
      throw wrong(`--reporter ${name}=${path.relative(cwd, file)} is no file in a directory that exists`);
  }
  return reports;
}

/**
 * Writes the reports. `results` reads the results anew for each that wants them, so that none are held.
 *
 * @throws CllmError `output_failed`
 */
export async function writeReports(
  reports: readonly Report[],
  facts: ReportFacts,
  results: () => AsyncIterable<BatchResult>,
  { io, resultsFile, say }: { io: Io; resultsFile: string; say: (text: string) => void },
): Promise<void> {
  for (const report of reports) {
    const { name, file } = report;
    try {
      if (name === 'github') await reportToGithub(facts, results, { io, resultsFile, say });
      else await writeReport(report, name === 'markdown' ? [markdownReport(facts)] : junitReport(facts, results()));
      if (file !== null) say(`the ${name} report is in ${path.relative(io.cwd, file) || file}`);
    } catch (cause) {
      const reason = failureReason(cause);
      throw new CllmError('output_failed', `the ${name} report could not be written (${reason})`, {
        cause,
        hint: 'the results themselves are complete; run the same command again for the report alone',
      });
    }
  }
}

/**
 * Written whole or not at all. A file that the user named is written where its name leads to, a pipe or a device too;
 * under a name that cllm made up anything may lie in wait in a folder that came from elsewhere, so it is only replaced.
 */
async function writeReport({ file, isNamed }: Report, pieces: Iterable<string> | AsyncIterable<string>): Promise<void> {
  const name = file ?? '';
  const found = (isNamed ? statSync : lstatSync)(name, { throwIfNoEntry: false });
  if (isNamed && found !== undefined && !found.isFile()) {
    await pipeline(Readable.from(pieces), createWriteStream(name));
    return;
  }
  const target = isNamed && found !== undefined ? realpathSync(name) : name;
  const replacement = new Replacement(target, found?.isFile() ? { mode: modeOf(found, isNamed) } : newReport);
  try {
    for await (const piece of pieces) replacement.write(piece);
    replacement.commit();
  } catch (error) {
    replacement.discard();
    throw error;
  }
}

/** A report holds no prompt: who may read it is for the umask to say, but nobody else may write it. */
const newReport = { mode: 0o644, isMasked: true };

/** What the user named has the mode that somebody chose. */
function modeOf(found: Stats, isNamed: boolean): number {
  return found.mode & (isNamed ? 0o777 : 0o755);
}

async function reportToGithub(
  facts: ReportFacts,
  results: () => AsyncIterable<BatchResult>,
  { io, resultsFile, say }: { io: Io; resultsFile: string; say: (text: string) => void },
): Promise<void> {
  const { GITHUB_STEP_SUMMARY: summaryFile, GITHUB_OUTPUT: outputFile } = io.env;
  if (!summaryFile && !outputFile)
    say('--reporter github: this is no step of GitHub Actions, so there is only the log');
  // The runner reads commands from stderr as well; stdout stays free.
  await io.stderr.write(runnerCommand(githubAnnotations(facts)));
  if (summaryFile) appendFileSync(summaryFile, `${markdownReport(facts)}\n`);
  if (!outputFile) return;
  const { summary } = facts;
  const values: Record<string, string> = {
    total: String(summary.total),
    succeeded: String(summary.succeeded),
    failed: String(summary.failed),
    'cost-usd': summary.costUsd === null ? '' : String(summary.costUsd),
    'results-file': resultsFile,
    ...(facts.template !== null && { template: facts.template.name, 'template-digest': facts.template.digest }),
  };
  const replies = await smallReplies(results());
  if (replies !== null) values['results'] = replies;
  appendFileSync(outputFile, githubOutputs(values, `cllm-${randomUUID()}`));
}

/** The replies as one JSON array; null when they are too large for an output. */
async function smallReplies(results: AsyncIterable<BatchResult>): Promise<string | null> {
  const texts: string[] = [];
  let length = 0;
  for await (const { custom_id, line, verdict, is_error, result } of results) {
    const text = JSON.stringify({ custom_id, line, verdict, is_error, result });
    length += Buffer.byteLength(text) + 1;
    if (length > largestOutput) return null;
    texts.push(text);
  }
  return `[${texts.join(',')}]`;
}

function wrong(message: string): UsageError {
  return new UsageError(message, {
    hint: `--reporter takes a list of ${names.join(', ')}, e.g. github,junit=report.xml`,
  });
}
