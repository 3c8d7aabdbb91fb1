import type { Command } from '../command.ts';
import { isSet } from '../flag-values.ts';
import { limitFlags, proxyFlags } from '../flags.ts';
import { table } from '../render/table.ts';

export const models: Command = {
  usage: 'models',
  describe: 'what the proxy serves',
  configure: (parser) =>
    parser.options({
      ...proxyFlags,
      'connect-timeout': limitFlags['connect-timeout'] ?? {},
      json: { type: 'boolean', describe: 'the list as the proxy gives it' },
    }),
  async run(flags, context) {
    const { stdout } = context.io;
    const served = await (await context.client()).models({ signal: context.io.signal });
    if (isSet(flags, 'json')) {
      await stdout.write(`${JSON.stringify(served, null, 2)}\n`);
      return null;
    }
    const rows = served.map((model) => [model.id, model.mode ?? null, model.max_input_tokens ?? null, model.owned_by ?? null]);
    await stdout.write(table(stdout, ['model', 'mode', 'context', 'owned by'], rows));
    return null;
  },
};
