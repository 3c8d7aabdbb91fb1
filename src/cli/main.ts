import yargs, { type Argv } from 'yargs';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { decisive, exitCodeOf } from '../outcome/exits.ts';
import type { Command } from './command.ts';
import { ask } from './commands/ask/command.ts';
import { Credentials } from '../config/credentials.ts';
import { configPaths } from '../config/paths.ts';
import { nearestName } from '../config/nearest-name.ts';
import { claimInput } from './input/claimed-input.ts';
import { commandTable } from './command-table.ts';
import { createContext } from './context.ts';
import { checkGivenFlags } from './flags/check-given.ts';
import { asOperand, flagNames, inputMark, readValues, sharedValues, unmarked, yargsOptions } from './flags/flag.ts';
import { contextFlags, type OutputFormat } from './flags/flags.ts';
import type { Io } from './io.ts';
import { errorTable } from '../outcome/error-table.ts';
import { mainHelp } from './main-help.ts';
import { programView } from './views/create-view.ts';
import { reportError } from './views/report.ts';
import { failedOutcome } from './views/view.ts';
import { asCllmError } from './thrown.ts';
import { version } from './version.ts';
import { foldLines } from '../protocol/fold-lines.ts';

const commandNames = ['ask', ...commandTable.map(({ usage }) => nameOf(usage))];

/** What parsing found: the flags and words by their names, `_` the other words, `--` those after it. */
type Given = Readonly<Record<string, unknown>>;
type Run = (command: Command, given: Given) => Promise<void>;

/**
 * The program: parses, runs one command and gives the exit code. The one place where an error becomes a message, a hint
 * and a code. Never throws and never ends the process.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  // Read when the first message is masked: a mistake in the command line comes before there is a context.
  io.secrets.addSource(() => new Credentials(configPaths(io.env, io.cwd).credentialsFile, io).keys());
  let error: CllmError | null;
  let hasKeptReply = false;
  try {
    ({ error, hasKeptReply } = await run(argv, io));
  } catch (thrown) {
    error = asCllmError(thrown);
    await report(error, argv, io);
  }
  await io.stdout.flush();
  if (io.stdout.failure !== null) {
    const unprinted = new CllmError(
      'output_failed',
      `standard output could not be written: ${io.stdout.failure.message}`,
      { hint: hasKeptReply ? `${errorTable.output_failed.nextStep}; the reply is kept: cllm history show` : undefined },
    );
    await reportError(io.stderr, unprinted);
    error = decisive(error === null ? [unprinted] : [error, unprinted]);
  }
  await io.stderr.flush();
  return exitCodeOf(error);
}

/** What a run came to. */
interface RunOutcome {
  error: CllmError | null;
  hasKeptReply: boolean;
}

async function run(argv: readonly string[], io: Io): Promise<RunOutcome> {
  const outcome: RunOutcome = { error: null, hasKeptReply: false };
  const given = await helpAsFlag(argv);
  const words = (await withOperands(given)).map((word) => (word === '-' ? inputMark : word));
  // Whose flags and subcommands a typo is compared with.
  let current: { command: Command; path: string } = { command: ask, path: 'ask' };
  const runCommand: Run = async (command, found) => {
    checkGivenFlags(words, command, `see cllm ${current.path} --help`);
    refuseExtraWords(command, found, current.path);
    refuseTornArguments(argv, io);
    const values = readValues({ ...command.words, ...command.flags }, found, wordsOf(found, '--'));
    claimInput(command.flags, found, io);
    // A plain question computes nothing of a stranger's before it waits for the proxy; the history of another command may.
    if (command !== ask) io.watchInterrupts();
    const context = createContext(sharedValues(contextFlags, command.flags, values), io, version);
    const typo = command === ask ? await likelyTypo(argv) : null;
    if (typo !== null) context.remark(typo);
    try {
      outcome.error = (await command.run?.(values as never, context)) ?? null;
      outcome.hasKeptReply = context.hasKeptReply;
    } catch (thrown) {
      throw await context.explained(asCllmError(thrown));
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
      throw error ?? usageMistake(foldLines(message), current.command, current.path);
    });
  const configureCommand = (nested: Argv, command: Command, group = ''): Argv => {
    const path = `${group} ${nameOf(command.usage)}`.trim();
    current = { command, path };
    const configured = declare(nested, command, { path, isWhole: isWholeHelp(given) });
    if (command.subcommands.length === 0) return configured;
    for (const each of command.subcommands) register(configured, each, path);
    // One that does something by itself takes other words as well.
    if (command.run !== null) return configured;
    const names = command.subcommands.map(({ usage }) => nameOf(usage)).join(', ');
    return configured.demandCommand(1, `which one: ${names}`).strictCommands();
  };
  const register = (outer: Argv, command: Command, group = ''): void => {
    outer.command(
      [command.usage, ...command.aliases],
      command.describe,
      (nested) => configureCommand(nested, command, group),
      (found) => runCommand(command, found),
    );
  };
  register(parser, ask);
  for (const { usage, describe, load } of commandTable) {
    parser.command(
      usage,
      describe,
      async (nested) => configureCommand(nested, await load()),
      async (found) => runCommand(await load(), found),
    );
  }
  refuseDashedPrompt(given);
  // Help and version come through this callback instead of console, so that flushing covers them.
  if (isMainHelp(given)) {
    await io.stdout.write(`${mainHelp(commandNames)}\n`);
    return outcome;
  }
  await parser.parseAsync(words, {}, (error, _flags, output) => {
    if (output !== '' && !error) void io.stdout.write(`${output}\n`);
  });
  return outcome;
}

/** Tells yargs what a command declares. Its help leaves to pages of their own what few runs need. */
function declare(
  parser: Argv,
  { flags, words, examples }: Command,
  { path, isWhole }: { path: string; isWhole: boolean },
): Argv {
  for (const [name, { kind, describe, hasPlace }] of Object.entries(words)) {
    if (!hasPlace) continue;
    // Else the subcommands of a command would need its words as well.
    parser.options({ [name]: { global: false } });
    parser.positional(name, { type: 'string', ...(kind === 'list' && { array: true }), describe });
  }
  parser.options(Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, yargsOptions(flag, isWhole)])));
  parser.hide('help').hide('version');
  for (const [line, about] of examples) parser.example(line, about);
  const pages = new Set(Object.values(flags).map(({ topic }) => topic));
  pages.delete(null);
  if (pages.size > 0 && !isWhole)
    parser.epilogue(`Further flags: cllm help ${[...pages].join('|')}; all of them here: cllm help ${path} all`);
  return parser;
}

function wordsOf(given: Given, name: '_' | '--'): string[] {
  const words = given[name];
  return Array.isArray(words) ? words.map((word) => unmarked(String(word))) : [];
}

/**
 * What stands behind `--` belongs to a prompt, and to a command that takes none it is words like those before:
 * `history search -- -x`, `config set -- system -brief`.
 */
async function withOperands(argv: readonly string[]): Promise<readonly string[]> {
  const at = argv.indexOf('--');
  const entry = at === -1 ? undefined : commandTable.find(({ usage }) => nameOf(usage) === argv[0]);
  if (entry === undefined) return argv;
  const group = await entry.load();
  const before = argv.slice(1, at);
  const command = before.map((word) => group.subcommands.find(({ usage }) => nameOf(usage) === word)).find(Boolean);
  const { words, run: does } = command ?? group;
  if (does === null || Object.values(words).some(({ takesRest }) => takesRest)) return argv;
  const names = command === undefined ? group.subcommands.map(({ usage }) => nameOf(usage)) : [];
  return [...argv.slice(0, at), ...argv.slice(at + 1).map((word) => asOperand(word, names))];
}

/** `--help` of no command in particular. */
function isMainHelp(argv: readonly string[]): boolean {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  return (words.includes('--help') || words.includes('-h')) && !commandNames.includes(words[0] ?? '');
}

/**
 * `cllm help`, `cllm help history prune` and `cllm help ask all` are `cllm --help`, `cllm history prune --help` and
 * `cllm ask --help all`.
 */
async function helpAsFlag(argv: readonly string[]): Promise<readonly string[]> {
  const [first, topic, ...rest] = argv;
  if (first !== 'help') return argv;
  if (rest.length === 0 && (topic === undefined || ['--help', '-h', 'help'].includes(topic))) return ['--help'];
  const all = rest.at(-1) === 'all' ? rest.splice(-1) : [];
  if (topic === undefined || !commandNames.includes(topic)) return argv;
  if (rest.length > 0) {
    let command = await commandTable.find(({ usage }) => nameOf(usage) === topic)?.load();
    for (const word of rest) command = command?.subcommands.find(({ usage }) => nameOf(usage) === word);
    if (command === undefined) return argv;
  }
  return [topic, ...rest, '--help', ...all];
}

/** `--help all`. */
function isWholeHelp(argv: readonly string[]): boolean {
  return argv.some((word, at) => (word === '--help' || word === '-h') && argv[at + 1] === 'all');
}

/**
 * `cllm "- item"` and a prompt that begins with the `---` of a front matter are words to a person, and flags to a parser.
 *
 * @throws UsageError that says where such a prompt goes; it is not repeated
 */
function refuseDashedPrompt(argv: readonly string[]): void {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (!words.some((word) => /^(-+\s|---|--[^=\s]+\s)/.test(word))) return;
  throw new UsageError('a prompt that begins with - looks like a flag', {
    hint: 'put it after --: cllm -- "- an item"; as the value of a flag: --system="- an item"',
  });
}

/** @throws UsageError where an argument had bytes that Node could not read: it would be sent with holes */
function refuseTornArguments(argv: readonly string[], io: Io): void {
  if (!argv.some((word) => word.includes('\uFFFD')) || !io.hasTornArguments()) return;
  throw new UsageError('the command line is no UTF-8 text', {
    code: 'input_invalid',
    hint: 'set a UTF-8 locale and type it again, or pipe it in: … | iconv -f latin1 -t utf-8 | cllm',
  });
}

/** Words that nobody takes would be dropped in silence: a second file of a batch, say. */
function refuseExtraWords({ usage, words }: Command, given: Given, path: string): void {
  const isRestTaken = Object.values(words).some(({ takesRest }) => takesRest);
  const beyond = wordsOf(given, '_').slice(path.split(' ').length);
  const extra = [...beyond, ...(isRestTaken ? [] : wordsOf(given, '--'))];
  if (extra.length === 0) return;
  // Not which word: it may well be the key.
  if (path === 'login') {
    throw new UsageError('a key never stands on the command line, where others can see it', {
      hint: 'cllm login asks for it, or pipe it in: printf %s "$KEY" | cllm login --base-url URL',
    });
  }
  throw new UsageError(`cllm ${path} does not take ${JSON.stringify(extra[0])}`, {
    hint: `usage: ${usageOf(usage, path)}; see cllm ${path} --help; as a prompt: cllm ask ${path} …`,
  });
}

/** `cllm config set <name> <value>`. */
function usageOf(usage: string, path: string): string {
  return `cllm ${path}${usage.slice(nameOf(usage).length)}`;
}

/** A usage mistake in words, with what was probably meant. */
function usageMistake(message: string, command: Command, path: string): UsageError {
  const help = `see cllm ${path} --help`;
  const asPrompt = `${help}; as a prompt: cllm ask ${path} …`;
  if (message.startsWith('Not enough non-option arguments'))
    return new UsageError(`something is missing: ${usageOf(command.usage, path)}`, { hint: help });
  const [, chosen, given, choices = ''] =
    /^Invalid values: Argument: (.+), Given: (?:"(.*)"|false), Choices: (.+)$/.exec(message) ?? [];
  if (chosen !== undefined && !given) return new UsageError(`--${chosen} needs a value`, { hint: help });
  if (chosen !== undefined)
    return new UsageError(`--${chosen} ${given} is none of ${choices.replaceAll('"', '')}`, { hint: help });
  const [, missing] = /^Missing required arguments?: (.+)$/.exec(message) ?? [];
  if (missing !== undefined) return new UsageError(`something is missing: ${dashed(missing)}`, { hint: help });
  const [, kind, words = ''] = /^Unknown (argument|command)s?: (.+)$/.exec(message) ?? [];
  const [word = ''] = words.split(', ');
  const mistake = kind === 'argument' ? `no such flag: ${dashed(words)}` : message;
  const known = kind === 'command' ? command.subcommands.map(({ usage }) => nameOf(usage)) : flagNames(command.flags);
  const nearest = kind === undefined || word.length < 3 ? null : nearestName(word, known);
  if (nearest === null) return new UsageError(mistake, { hint: kind === 'command' ? asPrompt : help });
  return new UsageError(mistake, { hint: `did you mean ${kind === 'command' ? '' : '--'}${nearest}? ${help}` });
}

/** `bogus, q`, as yargs names flags, the way they are typed: `--bogus, -q`. */
function dashed(names: string): string {
  return names
    .split(', ')
    .map((name) => `${name.length === 1 ? '-' : '--'}${name}`)
    .join(', ');
}

/**
 * A prompt that looks like a command with a slip in it. It may well be meant as a prompt, so it is asked, and this is
 * said.
 */
async function likelyTypo(argv: readonly string[]): Promise<string | null> {
  const [first = '', second] = argv;
  if (!/^[a-z]{3,}$/.test(first) || commandNames.includes(first)) return null;
  const nearest = nearestName(first, commandNames);
  const entry = commandTable.find(({ usage }) => nameOf(usage) === nearest);
  if (entry === undefined) return null;
  const isAlone = second === undefined || second.startsWith('-');
  const isSubcommand = (await entry.load()).subcommands.some(({ usage }) => nameOf(usage) === second);
  if (!isAlone && !isSubcommand) return null;
  return `"${first}" is no command, so it is asked as a prompt; did you mean cllm ${nearest}?`;
}

function nameOf(usage: string): string {
  return usage.split(' ')[0] ?? usage;
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
