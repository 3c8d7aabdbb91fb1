import { command } from '../../command.ts';
import { choice, inGroup, list, reworded, text } from '../../flags/flag.ts';
import {
  groups,
  limitFlags,
  modelFlags,
  moneyFlags,
  promptFlags,
  previewFlags,
  promptWord,
  proxyFlags,
  schemaFlags,
  sizeFlags,
  viewFlags,
} from '../../flags/flags.ts';

export const compareFlags = {
  ...promptFlags,
  ...modelFlags,
  ...inGroup(groups.model, { model: list('a model; give two or more', { alias: 'm', completes: 'models' }) }),
  ...inGroup(groups.output, { 'output-format': choice('text, or json: a result a line', ['text', 'json']) }),
  ...inGroup(groups.output, { html: text('one page of all replies, into this file', { completes: 'files' }) }),
  'allow-short': viewFlags['allow-short'],
  quiet: reworded(viewFlags.quiet, { describe: 'no progress' }),
  ...schemaFlags,
  ...moneyFlags,
  ...sizeFlags,
  ...previewFlags,
  ...limitFlags,
  ...proxyFlags,
};

export const compare = command({
  usage: 'compare [prompt..]',
  describe: 'the same prompt to several models, side by side',
  flags: compareFlags,
  words: promptWord,
  examples: [['cllm compare -m gpt -m claude "why is the sky blue?"', 'two replies, with cost and times']],
  async run(values, context) {
    const { runCompare } = await import('./run.ts');
    return runCompare(values, context);
  },
});
