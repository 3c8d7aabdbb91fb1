import type { ReportFacts } from './report-facts.ts';

/** GitHub shows ten error annotations of a step and drops the others. */
const mostAnnotations = 10;

/**
 * Workflow commands that GitHub turns into annotations, one for each failed item at its line of the input, or for each
 * kind of failure where there are too many.
 *
 * Source: GitHub's reference of workflow commands; the escapes are those of its own toolkit.
 */
export function githubAnnotations({ summary, inputFile }: ReportFacts): string {
  const examples = summary.failures.flatMap((group) => group.examples);
  const command = (line: number, title: string, message: string): string => {
    const place = inputFile === null ? '' : `file=${property(inputFile)},line=${line},`;
    return `::error ${place}title=${property(title)}::${data(message)}\n`;
  };
  if (summary.failed <= mostAnnotations) {
    return examples
      .toSorted((a, b) => a.line - b.line)
      .map(({ line, customId, code, message }) => command(line, `${customId ?? `line ${line}`}: ${code}`, message))
      .join('');
  }
  return summary.failures
    .slice(0, mostAnnotations)
    .map(({ code, count, examples: [first], hint }) =>
      command(first?.line ?? 1, `${code}: ${count} items`, `${first?.message ?? ''}\n${hint}`),
    )
    .join('');
}

/**
 * Lines for `$GITHUB_OUTPUT`. Values of several lines stand between delimiters that no value can guess; GitHub keeps
 * about a megabyte of outputs a job, so a value that may be large comes as a file beside it.
 *
 * @param delimiter random, so that a reply can not end its value and begin another output (CWE-74)
 */
export function githubOutputs(values: Readonly<Record<string, string>>, delimiter: string): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`)
    .join('');
}

function data(text: string): string {
  return text.slice(0, 2_000).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
