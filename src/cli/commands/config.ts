import { listUserSettings, setSetting, unsetSetting } from '../../config/edit.ts';
import { explainSettings, getSetting } from '../../config/explain.ts';
import { CllmError, UsageError } from '../../errors.ts';
import { withoutSecretValues } from '../../config/secret-values.ts';
import type { Json } from '../../protocol/types.ts';
import type { Command } from '../command.ts';
import { trust, untrust } from '../config/trusting.ts';
import type { Context } from '../context.ts';
import { isSet, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import type { OwnText } from '../render/own-text.ts';
import { table } from '../render/table.ts';
import { jsonLine, safeJson } from '../render/terminal-safe.ts';
import { shellWord } from '../../protocol/shell-word.ts';

const name = { type: 'string', describe: 'a setting, e.g. model or timeouts.idle' } as const;
const json = { json: { type: 'boolean', describe: 'as JSON' } } as const;

/** A text as it is, anything else as JSON: what `config set` takes again. */
function shown(value: Json): string {
  return typeof value === 'string' ? value : safeJson(JSON.stringify(value));
}

async function print({ io }: Context, text: string | OwnText): Promise<null> {
  // No setting is a key, but somebody may have put one there.
  await io.stdout.write(typeof text === 'string' ? io.stdout.masked(text) : text);
  return null;
}

function settingOf(flags: Flags): string {
  return textFlag(flags, 'name') ?? '';
}

export const config: Command = {
  usage: 'config',
  describe: 'get, set, unset, list, explain settings, say where they are, or trust a project file',
  subcommands: [
    {
      usage: 'get <name>',
      describe: 'the value in force',
      configure: (parser) => parser.positional('name', name),
      async run(flags, context) {
        const value = getSetting(await context.settings(), settingOf(flags));
        if (value !== undefined) {
          return print(context, `${shown(withoutSecretValues(settingOf(flags), value))}\n`);
        }
        throw new CllmError('config_invalid', `${settingOf(flags)} is not set`, {
          hint: `set it with: cllm config set ${shellWord(settingOf(flags), 'NAME')} VALUE`,
        });
      },
    },
    {
      usage: 'set <name> <value>',
      describe: 'write it to the user file',
      configure: (parser) =>
        parser.positional('name', name).positional('value', { type: 'string', describe: 'its new value' }),
      async run(flags, context) {
        const { movedTo } = await setSetting(
          context.paths.userFile,
          settingOf(flags),
          textFlag(flags, 'value') ?? '',
          context.io.cwd,
          context.io,
        );
        if (movedTo !== null) context.remark(`the user file could not be read and was moved to ${movedTo}`);
        return null;
      },
    },
    {
      usage: 'unset <name>',
      describe: 'take it out of the user file',
      configure: (parser) => parser.positional('name', name),
      async run(flags, context) {
        if (await unsetSetting(context.paths.userFile, settingOf(flags), context.io)) return null;
        throw new UsageError(`${settingOf(flags)} is not in ${context.paths.userFile}`, {
          code: 'config_invalid',
          hint: 'cllm config list shows what is',
        });
      },
    },
    {
      usage: 'list',
      describe: 'what the user file says',
      configure: (parser) => parser.options(json),
      async run(flags, context) {
        const rows = listUserSettings(context.paths.userFile, context.io.uid).map(({ name: setting, value }) => ({
          name: setting,
          value: withoutSecretValues(setting, value),
        }));
        if (isSet(flags, 'json'))
          return print(context, jsonLine(Object.fromEntries(rows.map((row) => [row.name, row.value]))));
        return print(
          context,
          table(
            context.io.stdout,
            ['setting', 'value'],
            rows.map((row) => [row.name, shown(row.value)].map((cell) => context.io.stdout.masked(cell))),
          ),
        );
      },
    },
    {
      usage: 'explain',
      describe: 'every value in force and where it came from',
      configure: (parser) =>
        parser.options({
          ...json,
          profile: { type: 'string', requiresArg: true, describe: 'a named group of settings' },
          attribution: { type: 'boolean', describe: 'with what CI calls are marked with (default)' },
        }),
      async run(flags, context) {
        const rows = explainSettings(await context.settings(), await context.apiKey()).map((row) =>
          // The key itself is masked already, as far as to tell which one it is.
          row.name === 'api_key' ? row : { ...row, value: withoutSecretValues(row.name, row.value) },
        );
        const attribution = await context.attribution();
        if (attribution !== null) {
          const { name: origin, tags, metadata, userAgent } = attribution;
          rows.push(
            { name: 'attribution.tags', value: tags, origin },
            { name: 'attribution.metadata', value: metadata, origin },
            { name: 'attribution.user_agent', value: userAgent, origin },
          );
        }
        if (isSet(flags, 'json')) return print(context, jsonLine(rows));
        const cells = rows.map((row) =>
          [row.name, row.value === null ? '' : shown(row.value), row.origin].map((cell) =>
            context.io.stdout.masked(cell),
          ),
        );
        return print(context, table(context.io.stdout, ['setting', 'value', 'from'], cells));
      },
    },
    {
      usage: 'path',
      describe: 'where the user file is',
      async run(_flags, context) {
        return print(context, `${context.paths.userFile}\n`);
      },
    },
    trust,
    untrust,
  ],
};
