import type { InputFormat } from '../../../batch/batch-item.ts';
import type { Selection, Shard } from '../../../batch/select-items.ts';
import { shardFromEnvironment } from '../../../batch/shard.ts';
import { UsageError } from '../../../outcome/errors.ts';
import type { Context } from '../../context.ts';
import type { BatchValues } from './run.ts';

/**
 * A table wants a template: its lines as they stand would be asked for, the heading as well, and paid for. A template wants
 * a table.
 *
 * @throws UsageError
 */
export function assertTableWithTemplate({ file: name, inputFormat, template }: BatchValues): void {
  const isTable = isTableFormat(inputFormat ?? tableFormat(name));
  if (isTable === (template !== undefined)) return;
  if (isTable) {
    throw new UsageError(`${name} is a table, and a template makes prompts of its rows`, {
      code: 'input_invalid',
      hint: 'name one with -t (cllm templates new NAME); --input-format text asks for each line as it stands',
    });
  }
  throw new UsageError(`-t ${template}: a template makes prompts of the rows of a table, and ${name} is none`, {
    hint: 'name a .csv or .tsv file, or say that it is one: --input-format csv',
  });
}

/**
 * What is read of the input, and how.
 *
 * @throws UsageError
 */
export async function selectionOf(
  values: BatchValues,
  { io, paths, template: loadTemplate }: Pick<Context, 'io' | 'paths' | 'template'>,
  say: (text: string) => void,
): Promise<Selection> {
  const { file: name } = values;
  const shard = shardOf(values, io.env);
  const fileName = name === '-' ? null : name;
  const format = values.inputFormat ?? tableFormat(name);
  const template = await loadTemplate();
  if (!isTableFormat(format) || template === null) {
    return { fileName, format: isTableFormat(format) ? null : format, shard, table: null };
  }
  const { rowPrompts } = await import('./rows.ts');
  const options = {
    table: fileName ?? 'standard input',
    hasSystem: values.system !== undefined,
    trustTemplate: values.trustTemplate,
  };
  const prompts = await rowPrompts(template, options, { io, paths, say });
  return { fileName, format: null, shard, table: { isTabbed: format === 'tsv', prompts } };
}

/**
 * The part of the input that this run does; all of it where nothing was said.
 *
 * @throws UsageError when `--shard auto` finds none
 */
export function shardOf({ shard = wholeInput }: Pick<BatchValues, 'shard'>, env: Context['io']['env']): Shard {
  return shard === 'auto' ? shardFromEnvironment(env) : shard;
}

export const wholeInput: Shard = { index: 1, count: 1 };

export function isTableFormat(format: InputFormat | null): format is 'csv' | 'tsv' {
  return format === 'csv' || format === 'tsv';
}

export function tableFormat(name: string): InputFormat | null {
  const [, ending = ''] = /\.(csv|tsv|tab)$/i.exec(name) ?? [];
  return ending === '' ? null : ending.toLowerCase() === 'csv' ? 'csv' : 'tsv';
}
