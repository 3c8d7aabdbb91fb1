import { itemRequest } from '../../../batch/ask-item.ts';
import { readItems } from '../../../batch/select-items.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { exitCodeOf } from '../../../outcome/exits.ts';
import { BatchPreview, type ModelSum } from '../../../preview/batch-preview.ts';
import { schemaVersion } from '../../../conversation/result-object.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { factsOf, percent, priceText, requestText, sizeLimitOf } from '../../asking/dry-run.ts';
import type { Context } from '../../context.ts';
import { refuseKey } from '../../asking/refuse-key.ts';
import { reportError } from '../../views/report.ts';
import { openSource } from './input.ts';
import { selectionOf } from './selection.ts';
import { itemDefaults } from './item-defaults.ts';
import type { BatchValues } from './run.ts';

/**
 * `cllm batch --dry-run`: what all lines would take together. No result is looked at or written, so lines that an earlier
 * run has done count as well.
 */
export async function previewBatch(values: BatchValues, context: Context): Promise<CllmError | null> {
  const { io } = context;
  const { file: name } = values;
  const source = openSource(name === '-' ? null : name, io);
  await context.assertTrusted();
  const settings = await context.settings();
  const selection = await selectionOf(values, context, context.remark);
  if (settings.model.value !== null) refuseKey(io, 'the model', settings.model.value);
  const client = await context.client();
  const defaults = await itemDefaults(values, context, null, null);
  const preview = new BatchPreview();
  let first: ReturnType<typeof client.preview> | null = null;
  const bad: { lines: number; first: CllmError | null } = { lines: 0, first: null };
  let lines = 0;
  try {
    for await (const item of readItems(source.bytes(), selection)) {
      lines += 1;
      const request = itemRequest(item, defaults);
      if (request instanceof CllmError) {
        bad.lines += 1;
        bad.first ??= request;
        continue;
      }
      first ??= client.preview(request);
      preview.add(item.line, request);
    }
  } finally {
    io.stdin.close();
    await source.close();
  }
  const sums = await preview.sums(client, { facts: factsOf(client, io.signal), signal: io.signal });
  const error = refusal(bad, sums, settings);
  if (values.outputFormat === 'json') {
    await io.stdout.write(
      jsonLine({
        type: 'batch_dry_run',
        timestamp: new Date().toISOString(),
        schema_version: schemaVersion,
        lines,
        invalid_lines: bad.lines,
        other_lines: preview.otherLines,
        first_request: first,
        models: sums,
        is_error: error !== null,
        exit_code: error === null ? 0 : exitCodeOf(error),
        error: error && { code: error.code, message: error.message },
      }),
    );
  } else {
    const head = first === null ? '' : `the first of ${lines} lines:\n\n${requestText(first)}\n`;
    const others = preview.otherLines === 0 ? '' : `\n${preview.otherLines} lines name other models: not looked at\n`;
    await io.stdout.write(`${head}${sums.map(sumText).join('\n')}${others}`);
    if (error !== null) await reportError(io.stderr, error);
  }
  return error;
}

/** What some lines would end in, as the run itself would. */
function refusal(
  bad: { lines: number; first: CllmError | null },
  sums: readonly ModelSum[],
  settings: Parameters<typeof sizeLimitOf>[0],
): CllmError | null {
  const limit = sizeLimitOf(settings);
  const over = limit === null ? undefined : sums.find(({ longest }) => (longest.input_tokens ?? 0) > limit.tokens);
  if (limit !== null && over !== undefined) {
    const { line, input_tokens: tokens } = over.longest;
    const about = over.input_tokens_estimated ? '~' : '';
    return new CllmError(
      'input_too_large',
      `line ${line} has ${about}${tokens} tokens, more than ${limit.name} ${limit.tokens}`,
      { hint: limit.hint },
    );
  }
  if (bad.first === null) return null;
  return new CllmError('batch_partial', `${bad.lines} lines can not be asked: ${bad.first.message}`, {
    ...(bad.first.hint !== undefined && { hint: bad.first.hint }),
  });
}

function sumText(sum: ModelSum): string {
  const { model, lines, input_tokens: tokens, input_tokens_note: note, longest, max_input_tokens: most } = sum;
  const about = sum.input_tokens_estimated ? '~' : '';
  const share =
    longest.input_tokens === null
      ? 'unknown'
      : `line ${longest.line}, ${about}${longest.input_tokens} tokens` +
        (longest.context_share === null || most === null ? '' : `, ${percent(longest.context_share)} of ${most}`);
  const output = sum.max_output_tokens;
  return [
    `== ${model} · ${lines} ${lines === 1 ? 'line' : 'lines'}`,
    `tokens   ${tokens === null ? 'unknown' : `${about}${tokens}`}${note === null ? '' : ` (${note})`}`,
    `longest  ${share}`,
    `price    ${priceText(sum)}${sum.cost_usd === null || output === null ? '' : ` (no output, ${output} tokens of it)`}`,
    '',
  ].join('\n');
}
