import { extent } from '../../../protocol/figures.ts';
import type { SpendFigures, SpendRow } from '../../../spending/spend-table.ts';
import { formatUsd } from '../../../spending/usd.ts';
import type { Output } from '../../../terminal/output.ts';
import type { OwnText } from '../../../terminal/own-text.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { type Cell, table } from '../../views/table.ts';
import type { Division } from './command.ts';

/** What is known of what was spent, and where that came from. */
export interface SpendReport {
  by: Division;
  source: 'proxy' | 'history';
  /** ISO 8601, or days of UTC where the proxy keeps whole days. */
  since: string;
  until: string;
  rows: SpendRow[];
  /** Null where rows overlap: a call counts for each of its tags. */
  total: SpendFigures | null;
  /** Calls that are known to have been made and that the source does not have. */
  missingCalls: number;
  /** What the figures lack, in a sentence; null when it is nothing. */
  gap: string | null;
}

const widestBar = 24;

/** For people a table, with bars where rows can be compared by the eye; for programs tabs. */
export function reportTable(report: SpendReport, output: Output): string | OwnText {
  const heading = [report.by, 'spend', 'calls', 'failed', 'tokens in', 'tokens out'];
  if (!output.isTTY)
    return table(
      output,
      heading,
      report.rows.map((row) => [row.name ?? '', ...plain(row)]),
    );
  const hasBars = report.by === 'day' || report.by === 'model';
  const [, most = 0] = extent(report.rows.map(({ spend }) => spend ?? 0)) ?? [];
  const rows = report.rows.map((row) => [nameOf(row), ...shown(row), ...(hasBars ? [bar(row.spend, most)] : [])]);
  if (report.total !== null && rows.length > 1) rows.push(['total', ...shown(report.total), ...(hasBars ? [''] : [])]);
  return table(output, hasBars ? [...heading, ''] : heading, rows);
}

/** A table for a CI job's summary. */
export function reportMarkdown(report: SpendReport): string {
  const rows = report.rows.map((row) => [nameOf(row), ...shown(row)]);
  if (report.total !== null && rows.length !== 1) rows.push(['**total**', ...shown(report.total)]);
  const line = (cells: readonly Cell[]): string =>
    `| ${cells.map((cell) => markdownCell(String(cell ?? ''))).join(' | ')} |\n`;
  return [
    line([report.by, 'spend', 'calls', 'failed', 'tokens in', 'tokens out']),
    '|---|---:|---:|---:|---:|---:|\n',
    ...rows.map(line),
    ...(report.gap === null ? [] : [`\n${markdownCell(report.gap)}\n`]),
  ].join('');
}

export function reportCsv(report: SpendReport): string {
  const heading = [report.by, 'spend_usd', 'requests', 'failed_requests', 'input_tokens', 'output_tokens'];
  const rows = report.rows.map((row) => [row.name, ...plain(row)]);
  return [heading, ...rows].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('');
}

export function reportJson(report: SpendReport): string {
  const { by, source, since, until, rows, total, missingCalls, gap } = report;
  return jsonLine(
    {
      by,
      source,
      since,
      until,
      rows: rows.map((row) => ({ name: row.name, ...figuresJson(row) })),
      total: total && figuresJson(total),
      missing_calls: missingCalls,
      gap,
    },
    2,
  );
}

function figuresJson(figures: SpendFigures): Record<string, number | null> {
  return {
    spend_usd: exact(figures.spend),
    requests: figures.requests,
    failed_requests: figures.failed,
    unpriced_requests: figures.unpriced,
    input_tokens: figures.inputTokens,
    output_tokens: figures.outputTokens,
  };
}

function plain({ spend, requests, failed, inputTokens, outputTokens }: SpendFigures): Cell[] {
  return [exact(spend), requests, failed, inputTokens, outputTokens];
}

function shown({ spend, requests, failed, inputTokens, outputTokens, unpriced }: SpendFigures): Cell[] {
  const cost = spend === null ? 'unknown' : formatUsd(spend);
  return [
    unpriced > 0 && spend !== null ? `${cost} + ${unpriced} unknown` : cost,
    requests,
    failed,
    inputTokens,
    outputTokens,
  ];
}

/** Without what a sum of binary fractions adds at its end. */
function exact(usd: number | null): number | null {
  return usd === null ? null : Number(usd.toPrecision(12));
}

function nameOf({ name }: SpendRow): string {
  return name ?? '(none)';
}

function bar(spend: number | null, most: number): string {
  if (spend === null || spend === 0 || most === 0) return '';
  return '█'.repeat(Math.round((spend / most) * widestBar)) || '▏';
}

/** A spreadsheet takes what begins so for a formula, and names are strangers'. */
function csvCell(cell: Cell): string {
  const text = String(cell ?? '');
  const inert = typeof cell === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

function markdownCell(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\|`<>[\]]/g, '\\$&');
}
