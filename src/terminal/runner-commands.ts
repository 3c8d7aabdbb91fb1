import { visibleEscape } from './terminal-safe.ts';

/** The longest name of a command that is looked for across pieces: `##teamcity[`, `section_start:1790000000:`. */
const longestTail = 64;

/**
 * Commands that runners of CI jobs read from a step's log: `::name::` at the beginning of a line, after white space too
 * (GitHub Actions, since 2019), `##[name]` anywhere (GitHub's first form, Azure), `##vso[…]` (Azure), `##teamcity[…]`,
 * and the markers of sections (GitLab, Travis), which end in a carriage return that never gets here.
 *
 * Sources: actions/runner, src/Runner.Common/ActionCommand.cs; azure-pipelines-agent, src/Agent.Sdk/Knob and
 * Microsoft.VisualStudio.Services.Agent/Command.cs; TeamCity's "Service Messages"; GitLab's "Job logs".
 */
const marks = /(?<=##[a-z]{0,32})\[|(?<=section_(?:start|end)|travis_(?:fold|time)):/gi;
const commands = new RegExp(`(?<=(?:^|\\n)[^\\S\\n]*:):|${marks.source}`, 'gi');
const mayBeCommand = /::|##|section_|travis_/i;

/**
 * Keeps the words of a model or a proxy in a log from being commands of its runner: the character that would complete one
 * becomes a visible escape. It knows the line that the next piece goes on with.
 */
export class RunnerCommands {
  /** The end of the line so far. */
  #tail = '';

  write(piece: string): string {
    const tail = this.#tail;
    const text = tail + piece;
    const safe = mayBeCommand.test(text) ? text.replace(commands, visibleEscape) : text;
    this.#tail = endOfLine(text);
    // What is in the tail was made safe when it came, and nothing in it can complete a command but its own end.
    return safe.slice(tail.length);
  }

  /** Lines that are a command of ours, `::name::`, of which a stranger's words are a part: they hold no other one. */
  command(text: string): string {
    this.#tail = endOfLine(text);
    return text.replace(marks, visibleEscape);
  }
}

/** What of a text the next piece could go on with: white space and a colon, or the beginning of a mark. */
function endOfLine(text: string): string {
  const line = text.slice(text.lastIndexOf('\n') + 1);
  if (/^\s*:?$/.test(line)) return line.length > longestTail ? line.slice(-longestTail) : line;
  const end = line.slice(-longestTail);
  // Not at the beginning of its line, however it looks when the front is cut off.
  return `.${/(?:#(?:#[a-z]{0,32})?|[a-z_]{1,14})$/i.exec(end)?.[0] ?? ''}`;
}
