import { nearestName } from '../../../config/nearest-name.ts';
import type { Completion } from './prompt-reader.ts';

/** What can be said to the chat itself. A line that begins with `//` is a prompt that begins with `/`. */
export const slashCommands = {
  model: {
    usage: '/model [NAME]',
    describe: 'ask another model from here on; without a name: which one, and which there are',
  },
  system: {
    usage: '/system [TEXT|off]',
    describe: 'another system prompt from here on; without a text: which one it is',
  },
  retry: { usage: '/retry', describe: 'ask the last prompt again, without its reply; that one is kept where it was' },
  edit: { usage: '/edit [TEXT]', describe: 'write the next prompt in $VISUAL or $EDITOR' },
  file: {
    usage: '/file PATH',
    describe: 'a file or a folder to go with the next prompt: text, an image, a PDF, a recording',
  },
  template: {
    usage: '/template NAME [VAR=VALUE ..]',
    describe: 'the prompt of a template, with its files and commands',
  },
  tools: { usage: '/tools', describe: 'what the model may call (--mcp, --allow)' },
  mcp: { usage: '/mcp', describe: 'the MCP servers of the proxy' },
  usage: { usage: '/usage', describe: 'tokens and cost of this conversation so far' },
  help: { usage: '/help', describe: 'this list' },
  quit: { usage: '/quit', describe: 'leave; so do exit, quit, Ctrl-D, and Ctrl-C at an empty prompt' },
} as const;

export type SlashName = keyof typeof slashCommands;

export type Line =
  | { type: 'prompt'; text: string }
  | { type: 'command'; name: SlashName; rest: string }
  /** `exit` or `quit`, as in a shell; nobody pays to have a model answer that. */
  | { type: 'leave'; word: string }
  | { type: 'unknown'; name: string; nearest: string | null };

const names = Object.keys(slashCommands) as SlashName[];
const otherNames: Readonly<Record<string, SlashName>> = {
  exit: 'quit',
  q: 'quit',
  bye: 'quit',
  '?': 'help',
  regenerate: 'retry',
};

export function readLine(text: string): Line {
  if (/^(?:exit|quit)\s*$/i.test(text)) return { type: 'leave', word: text.trim() };
  if (text.startsWith('//')) return { type: 'prompt', text: text.slice(1) };
  // A path is a prompt, a slash and a word is a command.
  const [, word, rest = ''] = /^\/([A-Za-z?]+)(?:\s+([^]*))?$/.exec(text) ?? [];
  if (word === undefined) return { type: 'prompt', text };
  const name = names.find((each) => each === word) ?? (Object.hasOwn(otherNames, word) ? otherNames[word] : undefined);
  if (name !== undefined) return { type: 'command', name, rest: rest.trim() };
  return { type: 'unknown', name: word, nearest: nearestName(word, names) };
}

export function helpText(): string {
  const longest = Math.max(...names.map((name) => slashCommands[name].usage.length));
  const lines = names.map(
    (name) => `  ${slashCommands[name].usage.padEnd(longest)}  ${slashCommands[name].describe}\n`,
  );
  return `${lines.join('')}\n  Enter sends; Shift- or Alt-Enter, or \\ before Enter, begins a new line. Up and Down go through earlier\n  prompts, Tab completes commands and models. Ctrl-C stops a reply and keeps what came of it, Ctrl-Z suspends.\n`;
}

/** What Tab offers: the commands, and after `/model` the models. */
export async function completeLine(before: string, models: () => Promise<readonly string[]>): Promise<Completion> {
  const model = /^\/model\s+(\S*)$/.exec(before);
  if (model !== null) {
    const word = model[1] ?? '';
    return { from: before.length - word.length, candidates: (await models()).filter((each) => each.startsWith(word)) };
  }
  if (!/^\/\w*$/.test(before)) return { from: before.length, candidates: [] };
  return { from: 0, candidates: names.map((name) => `/${name}`).filter((each) => each.startsWith(before)) };
}
