import { UsageError } from '../../errors.ts';
import { exits } from '../../outcome.ts';
import type { Command } from '../command.ts';
import { textFlag } from '../flag-values.ts';

export const help: Command = {
  usage: 'help [topic]',
  describe: 'exit-codes: what each one means',
  configure: (parser) => parser.positional('topic', { type: 'string', describe: 'exit-codes' }),
  async run(flags, { io }) {
    const topic = textFlag(flags, 'topic');
    if (topic !== 'exit-codes') {
      throw new UsageError(topic === undefined ? 'help on what?' : `there is no help on ${topic}`, {
        hint: 'cllm help exit-codes, or cllm --help for commands and flags',
      });
    }
    const lines = Object.entries(exits).map(([name, { code, when }]) => `${String(code).padStart(3)}  ${name.padEnd(12)} ${when}\n`);
    await io.stdout.write(lines.join(''));
    return null;
  },
};
