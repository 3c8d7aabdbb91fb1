import type { Options } from 'yargs';
import type { Command } from '../command.ts';
import { askFlags, limitFlags, modelFlags, moneyFlags, proxyFlags, viewFlags } from '../flags.ts';

const compareFlags: Record<string, Options> = {
  file: askFlags['file'] ?? {},
  stdin: askFlags['stdin'] ?? {},
  'stdin-timeout': askFlags['stdin-timeout'] ?? {},
  ...modelFlags,
  model: { ...modelFlags['model'], array: true, describe: 'a model; give two or more' },
  'output-format': {
    ...viewFlags['output-format'],
    choices: ['text', 'json'],
    describe: 'text, or json: a result a line',
  },
  'allow-short': viewFlags['allow-short'] ?? {},
  quiet: { ...viewFlags['quiet'], describe: 'no progress' },
  ...moneyFlags,
  ...limitFlags,
  ...proxyFlags,
};

export const compare: Command = {
  usage: 'compare [prompt..]',
  describe: 'the same prompt to several models, side by side',
  configure: (parser) =>
    parser
      .positional('prompt', { type: 'string', array: true, describe: 'the words of the prompt; - is standard input' })
      .options(compareFlags)
      .example('cllm compare -m gpt -m claude "why is the sky blue?"', 'two replies, with cost and times'),
  async run(flags, context) {
    const { runCompare } = await import('../compare.ts');
    return runCompare(flags, context);
  },
};
