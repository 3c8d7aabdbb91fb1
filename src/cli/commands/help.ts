import { UsageError } from '../../outcome/errors.ts';
import { exits } from '../../outcome/exits.ts';
import { command } from '../command.ts';
import { wordList } from '../flags/flag.ts';

/** `cllm help` and `cllm help COMMAND` are --help, which main.ts sees to; what comes here is a topic. */
export const help = command({
  usage: 'help [topic..]',
  describe: 'exit-codes: what each one means; or a command',
  words: { topic: wordList('exit-codes, or a command') },
  async run(values, { io }) {
    const topic = values.topic.join(' ');
    if (topic !== 'exit-codes') {
      throw new UsageError(`there is no help on ${JSON.stringify(topic)}`, {
        hint: 'cllm help exit-codes, or cllm --help for commands and flags; to ask it of the model: cllm ask help …',
      });
    }
    await io.stdout.write(exitCodesTable());
    return null;
  },
});

/** A line for each exit code: the number, its name, when. */
export function exitCodesTable(): string {
  return Object.entries(exits)
    .map(([name, { code, when }]) => `${String(code).padStart(3)}  ${name.padEnd(12)} ${when}\n`)
    .join('');
}
