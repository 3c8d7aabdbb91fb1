import type { BatchResult } from '../batch-result.ts';
import type { ReportFacts } from './report-facts.ts';

/**
 * The results as JUnit XML, piece by piece: a test case an item. A reply that came but is not in order is a failure, an
 * item without a reply an error. Prompts and replies stay out of it: reports are shown to more people than logs are.
 *
 * Source: the schema junit-10.xsd of Jenkins' xUnit plugin, which GitLab's and Azure's readers accept as well.
 */
export async function* junitReport(
  { title, summary, template, startedAt, durationMs }: ReportFacts,
  results: AsyncIterable<BatchResult>,
): AsyncGenerator<string, void, undefined> {
  const replied = summary.verdicts.filter(({ verdict }) => verdict !== 'no reply');
  const errors = summary.total - replied.reduce((sum, { count }) => sum + count, 0);
  const counts = {
    tests: String(summary.total),
    failures: String(summary.failed - errors),
    errors: String(errors),
    time: seconds(durationMs),
  };
  yield '<?xml version="1.0" encoding="UTF-8"?>\n';
  yield `<testsuites${attributes({ name: title, ...counts })}>\n`;
  yield `  <testsuite${attributes({ name: title, ...counts, skipped: '0', timestamp: startedAt.replace(/\.\d+Z$/, '') })}>\n`;
  yield '    <properties>\n';
  yield property('cost_usd', summary.costUsd === null ? 'unknown' : String(summary.costUsd));
  yield property('ttft_ms_median', rounded(summary.ttft.quantile(0.5)));
  yield property('ttft_ms_95', rounded(summary.ttft.quantile(0.95)));
  if (template !== null) {
    yield property('template', template.name);
    yield property('template_digest', template.digest);
  }
  yield '    </properties>\n';
  for await (const result of results) yield testCase(result, title);
  yield '  </testsuite>\n</testsuites>\n';
}

function testCase(result: BatchResult, title: string): string {
  const head = `    <testcase${attributes({
    name: result.custom_id ?? `line ${result.line}`,
    classname: title,
    time: seconds(result.duration_ms ?? 0),
  })}`;
  if (!result.is_error || result.error === null) return `${head}/>\n`;
  const { code, message, hint } = result.error;
  const kind = result.verdict === null ? 'error' : 'failure';
  return `${head}>\n      <${kind}${attributes({ type: code, message })}>${escaped(hint)}</${kind}>\n    </testcase>\n`;
}

function property(name: string, value: string): string {
  return `      <property${attributes({ name, value })}/>\n`;
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join('');
}

/**
 * XML 1.0 knows no way to write most control characters, half of a pair, U+FFFE or U+FFFF: they are replaced, and so are
 * those that it knows but that would change how a page shows what is around them.
 */
function escaped(text: string): string {
  return text
    .replace(
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}|\p{Bidi_Control}/gu,
      '\ufffd',
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[\t\r\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

function rounded(milliseconds: number | null): string {
  return milliseconds === null ? 'unknown' : String(Math.round(milliseconds));
}
