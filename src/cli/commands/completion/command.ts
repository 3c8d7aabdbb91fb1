import { nearestName } from '../../../config/nearest-name.ts';
import { UsageError } from '../../../outcome/errors.ts';
import { command, type Command, type CommandEntry } from '../../command.ts';
import { completionCandidates } from './candidates.ts';
import { completionScripts, type Shell, shells } from './script.ts';
import type { Context } from '../../context.ts';
import { optionalWord, restWords } from '../../flags/flag.ts';
import { terminalSafe } from '../../../terminal/terminal-safe.ts';

/** The command that writes what a shell sources, and that the sourced function asks for words. */
export function completionCommand(commands: readonly CommandEntry[], ask: Command): Command {
  return command({
    usage: 'completion [shell]',
    describe: 'completion for bash, zsh or fish: what to source',
    words: { shell: optionalWord('bash, zsh or fish; default: that of $SHELL', 'shells'), line: restWords() },
    examples: [
      ['source <(cllm completion bash)', 'in ~/.bashrc'],
      ['source <(cllm completion zsh)', 'in ~/.zshrc, after compinit'],
      ['cllm completion fish | source', 'in ~/.config/fish/config.fish'],
    ],
    async run({ shell: typed, line }, context) {
      const { io } = context;
      const shell = typed ?? io.env['SHELL']?.split('/').at(-1) ?? '';
      if (shell === 'words') await io.stdout.write(await words(line, commands, ask, context));
      else await io.stdout.write(scriptOf(shell, typed !== undefined));
      return null;
    },
  });
}

function scriptOf(shell: string, isTyped: boolean): string {
  if (!isShell(shell)) {
    // That of $SHELL is no slip: ksh does not mean zsh.
    const nearest = isTyped ? nearestName(shell, shells) : null;
    throw new UsageError(shell === '' ? 'completion for which shell?' : `there is no completion for ${shell}`, {
      hint: nearest === null ? `name one of ${shells.join(', ')}` : `did you mean ${nearest}?`,
    });
  }
  return completionScripts[shell];
}

function isShell(name: string): name is Shell {
  return (shells as readonly string[]).includes(name);
}

async function words(
  given: readonly string[],
  commands: readonly CommandEntry[],
  ask: Command,
  context: Context,
): Promise<string> {
  let candidates;
  try {
    candidates = await completionCandidates(given, commands, ask, context);
  } catch {
    // A shell that completes has no place for an error: the command itself will say it.
    return '';
  }
  if (candidates === 'files') return ':files\n';
  const line = (text: string): string => terminalSafe(text.replace(/\s+/g, ' '));
  return candidates.map(({ word, about }) => `${line(word)}\t${line(about).slice(0, 80)}\n`).join('');
}
