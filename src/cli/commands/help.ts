import { wrap } from '../../terminal/wrap.ts';
import { UsageError } from '../../outcome/errors.ts';
import { exits } from '../../outcome/exits.ts';
import { command } from '../command.ts';
import { type Flag, wordList } from '../flags/flag.ts';
import { askFlags, topics } from '../flags/flags.ts';

/** `cllm help` and `cllm help COMMAND` are --help, which main.ts sees to; what comes here is a topic. */
export const help = command({
  usage: 'help [topic..]',
  describe: `${['exit-codes', ...Object.keys(topics)].join(', ')}; or a command`,
  words: { topic: wordList('exit-codes, a page of flags, or a command') },
  async run(values, { io }) {
    const topic = values.topic.join(' ');
    if (topic === 'exit-codes') await io.stdout.write(exitCodesTable());
    else if (isTopic(topic)) await io.stdout.write(flagsPage(topic, Math.min(io.stdout.columns, 100)));
    else {
      throw new UsageError(`there is no help on ${JSON.stringify(topic)}`, {
        hint: `cllm help ${['exit-codes', ...Object.keys(topics)].join('|')}, or cllm --help for commands and flags; to ask it of the model: cllm ask help …`,
      });
    }
    return null;
  },
});

function isTopic(word: string): word is keyof typeof topics {
  return Object.hasOwn(topics, word);
}

/** A line for each exit code: the number, its name, when. */
export function exitCodesTable(): string {
  return Object.entries(exits)
    .map(([name, { code, when }]) => `${String(code).padStart(3)}  ${name.padEnd(12)} ${when}\n`)
    .join('');
}

/** The flags that a command's own help leaves out, with what each does. */
function flagsPage(topic: keyof typeof topics, columns: number): string {
  const rows = Object.entries(askFlags as Readonly<Record<string, Flag<unknown>>>)
    .filter(([, flag]) => flag.topic === topic)
    .map(
      ([name, { alias, describe }]) => [alias === null ? `    --${name}` : `-${alias}, --${name}`, describe] as const,
    );
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const lines = rows.flatMap(([name, about]) =>
    wrap(about, columns - width - 2).map((line, at) => `  ${(at === 0 ? name : '').padEnd(width)}${line}`),
  );
  return `${topics[topic]}\n\n${lines.join('\n')}\n\nEach command takes those that make sense for it: cllm help COMMAND all\n`;
}
