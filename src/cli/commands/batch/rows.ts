import type { ItemRequest } from '../../../batch/batch-item.ts';
import { nameColumn, type RowPrompts } from '../../../batch/row-items.ts';
import { nearestName } from '../../../config/nearest-name.ts';
import { UsageError } from '../../../outcome/errors.ts';
import type { Json } from '../../../protocol/types.ts';
import { render } from '../../../templates/engine.ts';
import { runCommands } from '../../../templates/run-commands.ts';
import { isNamed, type LoadedTemplate } from '../../asking/template.ts';
import {
  ownFiles,
  renderedBody,
  renderedCommands,
  renderedEarlier,
  surroundings,
  type TemplateRun,
} from '../../asking/template-prompt.ts';
import { assertTemplateTrusted } from '../../asking/template-trust.ts';
import { readAttachments, userMessage } from '../../input/attachments.ts';

/**
 * What makes a prompt of each row: its cells are the template's variables. The template's files and the output of its
 * commands are the same for all rows, and are taken once.
 *
 * @param table its name, for messages
 * @param hasSystem whether the command line has a system prompt, which goes before the template's
 * @throws UsageError
 */
export async function rowPrompts(
  template: LoadedTemplate,
  { table, hasSystem, trustTemplate }: { table: string; hasSystem: boolean; trustTemplate: readonly string[] },
  run: TemplateRun,
): Promise<RowPrompts> {
  const { text } = template;
  if (isNamed(text.body, 'input') && !/\binput is (not )?defined/.test(text.body)) {
    throw new UsageError(`the template ${template.name} names {{ input }}, and a row has none`, {
      hint: 'declare a variable, and give the column its name',
    });
  }
  await assertTemplateTrusted(template, { ...run, trustTemplate, isInputIgnored: false });
  const attachments = await readAttachments(ownFiles(template, run.io), run.io);
  const areFilesNamed = isNamed(text.body, 'files');
  const files = attachments.blocks.join('\n\n');
  let outputs: readonly string[] | null = null;
  return {
    digest: JSON.stringify([template.digest, template.given]),
    async begin(columns) {
      assertColumns(columns, template, table);
      if (outputs !== null) return;
      const strangers = columns.filter((column) => column !== nameColumn && !text.variables.has(column));
      if (strangers.length > 0) {
        const named = strangers.slice(0, 20).map((name) => JSON.stringify(name));
        const more = strangers.length > 20 ? ` and ${strangers.length - 20} more` : '';
        run.say(`${table}: not in the template, and not sent: ${named.join(', ')}${more}`);
      }
      outputs = await runCommands(renderedCommands(template), surroundings(run));
    },
    request(values): ItemRequest {
      const variables = valuesOf(template, values);
      const parts = [renderedBody(template, { ...variables, files }), ...(outputs ?? [])];
      const blocks = areFilesNamed ? [] : attachments.blocks;
      return {
        messages: [
          ...renderedEarlier(template, { files, ...variables }),
          userMessage(parts.join('\n\n'), { ...attachments, blocks }),
        ],
        system: text.system === null || hasSystem ? null : renderedSystem(template, text.system, variables),
        params: {},
      };
    },
  };
}

function assertColumns(columns: readonly string[], { name, given, text }: LoadedTemplate, table: string): void {
  for (const column of columns) {
    if (Object.hasOwn(given, column)) {
      throw new UsageError(`--var ${column}: ${table} has a column of that name`, {
        hint: 'leave one of them out',
      });
    }
    const command = text.context.find(({ run }) => run.some((word) => isNamed(word, column)));
    if (command !== undefined) {
      throw new UsageError(`the command ${command.name} of ${name} names ${column}, which is another one in each row`, {
        hint: `commands run once for the whole table: give it with --var ${column}=VALUE, and take the column out`,
      });
    }
  }
  for (const [variable, { default: otherwise, isOptional }] of text.variables) {
    if (otherwise !== null || isOptional === true || Object.hasOwn(given, variable) || columns.includes(variable))
      continue;
    const nearest = nearestName(variable, columns);
    throw new UsageError(`${table} has no column ${variable}, which the template ${name} needs`, {
      code: 'input_invalid',
      hint:
        nearest === null
          ? `its columns are ${columns.slice(0, 20).join(', ')}; or give one value for all rows: --var ${variable}=VALUE`
          : `is it ${JSON.stringify(nearest)}? Name the column like the variable`,
    });
  }
}

/** A cell without a text gives no value: then the default holds. */
function valuesOf({ variables, text }: LoadedTemplate, cells: ReadonlyMap<string, string>): Record<string, Json> {
  const values = new Map(Object.entries(variables));
  for (const [column, cell] of cells) if (text.variables.has(column)) values.set(column, cell);
  const missing = [...text.variables].find(([name, { isOptional }]) => !values.has(name) && isOptional !== true)?.[0];
  if (missing === undefined) return Object.fromEntries(values);
  throw new UsageError(`the cell of ${missing} is empty`, {
    code: 'input_invalid',
    hint: 'fill it in, take the row out, or give the variable a default in the template',
  });
}

function renderedSystem({ file }: LoadedTemplate, system: string, variables: Record<string, Json>): string {
  return render(system, variables, { name: `${file}: system`, line: null });
}
