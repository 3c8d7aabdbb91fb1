import yargs, { type Argv } from 'yargs';
import { CllmError, UsageError } from '../errors.ts';
import { decisive, exitCodeOf } from '../outcome.ts';
import type { Command } from './command.ts';
import { ask } from './commands/ask.ts';
import { commandTable } from './command-table.ts';
import { createContext } from './context.ts';
import { inputMark, unmarked } from './flag-values.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';
import { type OutputFormat, programView } from './render/create-view.ts';
import { reportError } from './render/report.ts';
import { failedOutcome } from './render/view.ts';
import { asCllmError } from './thrown.ts';
import { version } from './version.ts';

type Run = (command: Command, flags: Flags) => Promise<void>;

/**
 * The program: parses, runs one command and gives the exit code. The one place where an error becomes a message, a hint
 * and a code. Never throws and never ends the process.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let error: CllmError | null;
  try {
    error = await run(argv, io);
  } catch (thrown) {
    error = asCllmError(thrown);
    await report(error, argv, io);
  }
  await io.stdout.flush();
  if (io.stdout.failure !== null) {
    const unprinted = new CllmError(
      'output_failed',
      `standard output could not be written: ${io.stdout.failure.message}`,
    );
    await reportError(io.stderr, unprinted);
    error = decisive(error === null ? [unprinted] : [error, unprinted]);
  }
  await io.stderr.flush();
  return exitCodeOf(error);
}

async function run(argv: readonly string[], io: Io): Promise<CllmError | null> {
  let outcome: CllmError | null = null;
  const runCommand: Run = async (command, marked) => {
    const flags = unmarked(marked);
    const context = createContext(flags, io, version);
    try {
      outcome = (await command.run?.(flags, context)) ?? null;
    } finally {
      await context.close();
    }
  };
  const parser = yargs()
    .scriptName('cllm')
    .usage("cllm [ask] [prompt..]\n\nAsks the team's LiteLLM proxy. Everything after -- is prompt.")
    .parserConfiguration({
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'camel-case-expansion': false,
      'strip-aliased': true,
    })
    .version(version)
    .help('help')
    .alias('help', 'h')
    .strictOptions()
    .wrap(Math.min(io.stderr.columns, 100))
    .exitProcess(false)
    .fail((message, error) => {
      // yargs gives an error only for what a handler threw; a usage mistake is a message (docs/decisions/ has the trap).
      throw error ?? new UsageError(message.replace(/\s*\n\s*/g, ' '), { hint: 'see cllm --help' });
    });
  register(parser, ask, runCommand);
  for (const { usage, describe, load } of commandTable) {
    parser.command(
      usage,
      describe,
      async (nested) => configure(nested, await load(), runCommand),
      async (flags) => runCommand(await load(), flags),
    );
  }
  // Help and version come through this callback instead of console, so that flushing covers them.
  const words = helpAsFlag(argv).map((word) => (word === '-' ? inputMark : word));
  await parser.parseAsync(words, {}, (error, _flags, output) => {
    if (output !== '' && !error) void io.stdout.write(`${output}\n`);
  });
  return outcome;
}

/** `cllm help` and `cllm help history` are `cllm --help` and `cllm history --help`. */
function helpAsFlag(argv: readonly string[]): readonly string[] {
  const [first, topic, ...rest] = argv;
  if (first !== 'help' || rest.length > 0) return argv;
  if (topic === undefined) return ['--help'];
  const names = ['ask', ...commandTable.map(({ usage }) => usage.split(' ')[0])];
  return topic !== 'help' && names.includes(topic) ? [topic, '--help'] : argv;
}

function register(parser: Argv, command: Command, runCommand: Run): void {
  parser.command(
    [command.usage, ...(command.aliases ?? [])],
    command.describe,
    (nested) => configure(nested, command, runCommand),
    (flags) => runCommand(command, flags),
  );
}

function configure(parser: Argv, command: Command, runCommand: Run): Argv {
  const configured = command.configure?.(parser) ?? parser;
  if (command.subcommands === undefined) return configured;
  for (const each of command.subcommands) register(configured, each, runCommand);
  const names = command.subcommands.map(({ usage }) => usage.split(' ')[0]).join(', ');
  return configured.demandCommand(1, 1, `which one: ${names}`).strictCommands();
}

async function report(error: CllmError, argv: readonly string[], io: Io): Promise<void> {
  const format = requestedFormat(argv);
  if (format === 'text') await reportError(io.stderr, error);
  else await programView(format, io).end(failedOutcome(error));
}

/** The output format, looked for in argv itself: a usage error has to keep to it, and comes before any parse. */
function requestedFormat(argv: readonly string[]): OutputFormat {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const formats = words.map((word, at) =>
    word === '--output-format' ? words[at + 1] : /^--output-format=(.*)$/.exec(word)?.[1],
  );
  const format = formats.findLast((each) => each !== undefined);
  return format === 'json' || format === 'stream-json' ? format : 'text';
}
