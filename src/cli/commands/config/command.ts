import { listUserSettings, setSetting, unsetSetting } from '../../../config/edit.ts';
import { explainSettings, getSetting } from '../../../config/explain.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { withoutSecretValues } from '../../../config/secret-values.ts';
import type { Json } from '../../../protocol/types.ts';
import { command, commandGroup } from '../../command.ts';
import { trust, untrust } from './trusting.ts';
import { neededWord, reworded } from '../../flags/flag.ts';
import { jsonFlag, proxyFlags, templateFlags } from '../../flags/flags.ts';
import type { Io } from '../../io.ts';
import type { OwnText } from '../../../terminal/own-text.ts';
import { table } from '../../views/table.ts';
import { jsonLine, safeJson } from '../../../terminal/terminal-safe.ts';
import { shellWord } from '../../../protocol/shell-word.ts';

const name = neededWord('a setting, e.g. model or timeouts.idle', 'settings');

/** A text as it is, anything else as JSON: what `config set` takes again. */
function shown(value: Json): string {
  return typeof value === 'string' ? value : safeJson(JSON.stringify(value));
}

async function print(io: Io, text: string | OwnText): Promise<null> {
  // No setting is a key, but somebody may have put one there.
  await io.stdout.write(typeof text === 'string' ? io.stdout.masked(text) : text);
  return null;
}

export const config = commandGroup(
  'config',
  'get, set, unset, list, explain settings, say where they are, or trust a project file',
  [
    command({
      usage: 'get <name>',
      describe: 'the value in force',
      words: { name },
      async run({ name: setting }, context) {
        const value = getSetting(await context.settings(), setting);
        if (value !== undefined) return print(context.io, `${shown(withoutSecretValues(setting, value))}\n`);
        throw new CllmError('config_invalid', `${setting} is not set`, {
          hint: `set it with: cllm config set ${shellWord(setting, 'NAME')} VALUE`,
        });
      },
    }),
    command({
      usage: 'set <name> <value>',
      describe: 'write it to the user file',
      words: { name, value: neededWord('its new value') },
      async run({ name: setting, value }, { io, paths, remark }) {
        const parse = /(^|\.)tools(\.|$)/.test(setting) ? (await import('../../../tools/rules.ts')).parseRule : null;
        const check = (list: 'allow' | 'deny', rules: readonly string[]): void =>
          rules.forEach((rule) => parse?.(rule, list));
        const { movedTo } = await setSetting(paths.userFile, setting, value, io.cwd, io, check);
        if (movedTo !== null) remark(`the user file could not be read and was moved to ${movedTo}`);
        return null;
      },
    }),
    command({
      usage: 'unset <name>',
      describe: 'take it out of the user file',
      words: { name },
      async run({ name: setting }, { io, paths }) {
        if (await unsetSetting(paths.userFile, setting, io)) return null;
        throw new UsageError(`${setting} is not in ${paths.userFile}`, {
          code: 'config_invalid',
          hint: 'cllm config list shows what is',
        });
      },
    }),
    command({
      usage: 'list',
      describe: 'what the user file says',
      flags: jsonFlag,
      async run({ json }, { io, paths }) {
        const rows = listUserSettings(paths.userFile, io.uid).map(({ name: setting, value }) => ({
          name: setting,
          value: withoutSecretValues(setting, value),
        }));
        if (json) return print(io, jsonLine(Object.fromEntries(rows.map((row) => [row.name, row.value]))));
        return print(
          io,
          table(
            io.stdout,
            ['setting', 'value'],
            rows.map((row) => [row.name, shown(row.value)].map((cell) => io.stdout.masked(cell))),
          ),
        );
      },
    }),
    command({
      usage: 'explain',
      describe: 'every value in force and where it came from',
      flags: {
        ...jsonFlag,
        profile: { ...proxyFlags.profile, group: null },
        template: { ...reworded(templateFlags.template, { describe: 'with what a template sets' }), group: null },
        var: { ...templateFlags.var, group: null },
        attribution: {
          ...reworded(proxyFlags.attribution, { describe: 'with what CI calls are marked with (default)' }),
          group: null,
        },
      },
      async run({ json }, context) {
        const { io } = context;
        const rows = explainSettings(await context.settings(), await context.apiKey()).map((row) =>
          // The key itself is masked already, as far as to tell which one it is.
          row.name === 'api_key' ? row : { ...row, value: withoutSecretValues(row.name, row.value) },
        );
        const attribution = await context.attribution();
        if (attribution !== null) {
          const { name: origin, tags, metadata, session, userAgent } = attribution;
          rows.push(
            { name: 'attribution.tags', value: tags, origin },
            { name: 'attribution.metadata', value: metadata, origin },
            { name: 'attribution.session', value: session, origin },
            { name: 'attribution.user_agent', value: userAgent, origin },
          );
        }
        if (json) return print(io, jsonLine(rows));
        const cells = rows.map((row) =>
          [row.name, row.value === null ? '' : shown(row.value), row.origin].map((cell) => io.stdout.masked(cell)),
        );
        return print(io, table(io.stdout, ['setting', 'value', 'from'], cells));
      },
    }),
    command({
      usage: 'path',
      describe: 'where the user file is',
      async run(_values, { io, paths }) {
        return print(io, `${paths.userFile}\n`);
      },
    }),
    trust,
    untrust,
  ],
);
