import { delimiter, isAbsolute } from 'node:path';
import { type ProgramEnd, type ProgramRun, runProgram, type Output } from '../files/run-program.ts';
import { InterruptedError } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';
import type { Rule, Rules } from './rules.ts';
import { mostResultText, type Tool, ToolArgumentsError } from './tool.ts';
import { bounded, harmless } from './untrusted.ts';

export interface ToolSurroundings extends Pick<ProgramRun, 'cwd' | 'env' | 'kill'> {
  /** Seconds that one command may take (default 300). */
  timeout?: number;
}

const name = 'run_command';

/** More words, or longer ones, no person would look at. */
const mostWords = 1_000;
const longestCommand = 64 * 1024;

/** Of an output that is longer: where it begins, and where it ends, for tests say there what failed. */
const keptOutput = { first: 24 * 1024, last: 24 * 1024 };
const keptErrors = { first: 4 * 1024, last: 4 * 1024 };

/** Where nothing is left of PATH: an empty one would be the folder of the run. */
const systemPath = ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);

const mostRulesText = 8 * 1024;

/** A tool that runs programs of this machine; whether it may run one, `decide` says. */
export function commandTool(rules: Rules, surroundings: ToolSurroundings): Tool {
  const { cwd, kill, timeout = 300 } = surroundings;
  const env = environmentOf(surroundings.env);
  return {
    name,
    definition: {
      type: 'function',
      function: {
        name,
        description: describe(rules),
        parameters: {
          type: 'object',
          properties: {
            argv: {
              type: 'array',
              items: { type: 'string' },
              minItems: 1,
              description: 'The program, then each of its words',
            },
          },
          required: ['argv'],
          additionalProperties: false,
        },
      },
    },
    subject: (args) => ({ kind: 'command', argv: argvOf(args) }),
    async run(args, signal) {
      const argv = argvOf(args);
      const ends = { output: keptOutput, errors: keptErrors };
      const end = await runProgram({ argv, cwd, env, kill, signal, timeout, ...ends });
      if (signal.aborted) {
        const reason: unknown = signal.reason;
        throw new InterruptedError(
          reason instanceof InterruptedError ? reason.signal : null,
          'interrupted while a command of the model ran',
        );
      }
      return { text: bounded(harmless(told(end)), mostResultText), isError: end.failure !== null };
    },
  };
}

function describe({ allow, deny }: Rules): string {
  const lines = (rules: readonly Rule[]): string[] =>
    rules.filter(({ kind }) => kind === 'command').map(({ text }) => `- ${text}`);
  const listed = (title: string, rules: readonly Rule[]): string[] => {
    const found = lines(rules);
    return found.length === 0 ? [] : [title, ...found];
  };
  const text = [
    "Runs one program on the user's machine, in the user's working directory, and gives its exit code and output. " +
      'There is no shell: argv is the program and its words, and pipes, redirections, globs, variables and several ' +
      'commands in one call do nothing. Standard input is empty.',
    ...listed(
      'These run without a question. A * at the end stands for any further words, options among them only as far as ' +
        'they can neither run a program nor write a file; write options out in full:',
      allow,
    ),
    ...listed('These never run:', deny),
    'What no rule names is asked about, and may be refused.',
  ].join('\n');
  return bounded(text, mostRulesText);
}

/** @throws ToolArgumentsError */
function argvOf(args: unknown): readonly string[] {
  if (!isJsonObject(args) || !Array.isArray(args['argv']) || Object.keys(args).length > 1) {
    throw new ToolArgumentsError('the arguments must be an object with argv, a list of words, and nothing else');
  }
  const argv: readonly unknown[] = args['argv'];
  if (argv.length === 0 || argv[0] === '') throw new ToolArgumentsError('argv must begin with a program');
  if (argv.length > mostWords)
    throw new ToolArgumentsError(`argv has ${argv.length} words, and at most ${mostWords} run`);
  const words = argv.map((word, at) => {
    if (typeof word !== 'string') throw new ToolArgumentsError(`argv[${at}] must be a text`);
    // What runs would be another word than was shown.
    if (/\0|\p{Cs}/u.test(word)) throw new ToolArgumentsError(`argv[${at}] holds a NUL or half of a character`);
    return word;
  });
  if (words.join('').length > longestCommand) {
    throw new ToolArgumentsError(`argv has more than ${longestCommand} characters`);
  }
  return words;
}

/**
 * What programs find: nobody who answers questions, no pager, no program that a repository's own settings name, and
 * programs only where PATH says a place: of a relative one the repository decides what is there.
 */
function environmentOf(given: ProgramRun['env']): ProgramRun['env'] {
  const path = given['PATH']?.split(delimiter).filter(isAbsolute).join(delimiter) || systemPath;
  const count = Number(given['GIT_CONFIG_COUNT'] ?? 0);
  const settings = [
    ['core.fsmonitor', 'false'],
    ['safe.bareRepository', 'explicit'],
  ].flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${count + at}`, key],
    [`GIT_CONFIG_VALUE_${count + at}`, value],
  ]);
  return {
    ...given,
    PATH: path,
    PAGER: 'cat',
    GIT_PAGER: 'cat',
    GH_PAGER: 'cat',
    MANPAGER: 'cat',
    NO_COLOR: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    ...(Number.isSafeInteger(count) && { ...Object.fromEntries(settings), GIT_CONFIG_COUNT: String(count + 2) }),
  };
}

function told({ output, errors, exitCode, failure }: ProgramEnd): string {
  const state = exitCode === null ? (failure ?? '') : `exit code ${exitCode}`;
  const parts = [kept(output, ''), kept(errors, 'stderr:\n')].filter((part) => part !== '');
  return [state, ...(parts.length === 0 && exitCode !== null ? ['(no output)'] : parts)].join('\n');
}

function kept({ text, rest, isCut, length }: Output, title: string): string {
  const left = length - Buffer.byteLength(text) - Buffer.byteLength(rest);
  const whole = isCut ? `${text}\n[about ${left} bytes are left out]\n${rest}` : text;
  return whole === '' ? '' : title + whole;
}
