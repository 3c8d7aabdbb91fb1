import { formatUsd } from '../../spending/usd.ts';
import type { Timings } from '../timings.ts';
import type { ReportFacts } from './report-facts.ts';

/** How many failures are named one by one. */
const mostFailures = 50;

/** The run as a Markdown page: what came of it by verdict, with cost and first-token times, and what failed why. */
export function markdownReport({ title, summary, template, stoppedBecause }: ReportFacts): string {
  const lines = [
    `## ${cell(title)}`,
    '',
    `${headline(summary)}${stoppedBecause === null ? '' : `\n\n**Stopped early:** ${cell(stoppedBecause)}`}`,
    '',
    ...(template === null ? [] : [`template ${cell(template.name)}, \`${template.digest}\``, '']),
    '| verdict | items | cost | first token, median | 95% | slowest |',
    '|---|---:|---:|---:|---:|---:|',
    ...summary.verdicts.map(
      ({ verdict, count, costUsd, ttft }) =>
        `| ${verdict} | ${count} | ${cost(costUsd)} | ${times(ttft).join(' | ')} |`,
    ),
  ];
  if (summary.failed > 0) {
    lines.push('', '| failed | why | lines | what to do |', '|---:|---|---|---|');
    for (const { code, count, examples, hint } of summary.failures) {
      const named = examples
        .slice(0, 5)
        .map(({ line }) => line)
        .join(', ');
      lines.push(`| ${count} | \`${code}\` | ${named}${count > 5 ? ', …' : ''} | ${cell(hint)} |`);
    }
    const examples = summary.failures.flatMap((group) => group.examples).toSorted((a, b) => a.line - b.line);
    lines.push(
      '',
      '<details><summary>Failures one by one</summary>',
      '',
      '| line | id | what happened |',
      '|---:|---|---|',
    );
    for (const { line, customId, message } of examples.slice(0, mostFailures)) {
      lines.push(`| ${line} | ${cell(customId ?? '')} | ${cell(message)} |`);
    }
    const rest = summary.failed - Math.min(examples.length, mostFailures);
    if (rest > 0) lines.push('', `… and ${rest} more, in the results.`);
    lines.push('', '</details>');
  }
  return `${lines.join('\n')}\n`;
}

function headline(summary: ReportFacts['summary']): string {
  const parts = [
    `${summary.total} items`,
    `${summary.succeeded} succeeded`,
    `${summary.failed} failed`,
    summary.earlier > 0 ? `${summary.earlier} of them in earlier runs` : null,
    summary.costUsd === null ? 'cost unknown' : formatUsd(summary.costUsd),
    summary.unknownCosts > 0 && summary.costUsd !== null ? `the cost of ${summary.unknownCosts} more is unknown` : null,
    `${summary.inputTokens} tokens in, ${summary.outputTokens} out`,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}

function cost(usd: number | null): string {
  return usd === null ? 'unknown' : formatUsd(usd);
}

function times(ttft: Timings): string[] {
  return [ttft.quantile(0.5), ttft.quantile(0.95), ttft.most].map((ms) =>
    ms === null ? '' : `${(ms / 1000).toFixed(2)} s`,
  );
}

/** A text of a proxy or a file inside a table: no markup and no link of its own, one line, and no cell of its own. */
function cell(text: string): string {
  return text
    .slice(0, 500)
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]()#|~!@$]|:(?=\/\/)|(?<=\bwww)\./gi, (character) => `&#${character.charCodeAt(0)};`);
}
