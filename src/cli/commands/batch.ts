import type { Options } from 'yargs';
import type { Command } from '../command.ts';
import { limitFlags, modelFlags, moneyFlags, proxyFlags, viewFlags } from '../flags.ts';

const group = 'Batch:';

const batchFlags: Record<string, Options> = {
  output: {
    type: 'string',
    requiresArg: true,
    alias: 'o',
    group,
    describe: 'the results, a line each; run again, it goes on from there',
  },
  'input-format': {
    type: 'string',
    requiresArg: true,
    group,
    choices: ['jsonl', 'text'],
    describe: 'JSON lines or a prompt a line (default: by the name, else the first line)',
  },
  concurrency: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'requests at a time (default 8); fewer while the proxy says 429',
  },
  shard: { type: 'string', requiresArg: true, group, describe: 'I/N: only the I-th of N parts' },
  'fail-fast': { type: 'boolean', group, describe: 'begin nothing more after the first failure' },
  reporter: { type: 'string', requiresArg: true, group, describe: 'github, junit[=FILE], markdown[=FILE]' },
  'output-schema': { type: 'string', requiresArg: true, group, describe: 'a JSON schema that each reply must match' },
  'allow-short': viewFlags['allow-short'] ?? {},
  quiet: { type: 'boolean', alias: 'q', group, describe: 'no progress' },
  ...moneyFlags,
  ...modelFlags,
  ...limitFlags,
  ...proxyFlags,
};

export const batch: Command = {
  usage: 'batch <file>',
  describe: 'many prompts, one result line each',
  configure: (parser) =>
    parser
      .positional('file', {
        type: 'string',
        describe: "JSON lines, OpenAI's batch form, or plain lines; - is standard input",
      })
      .options(batchFlags)
      .example('cllm batch prompts.jsonl -o results.jsonl', 'ask for each line, eight at a time')
      .example('cllm batch - -o out.jsonl --max-cost 5 --reporter github,junit', 'in CI, with a cap and reports'),
  async run(flags, context) {
    const { runBatchCommand } = await import('../batch.ts');
    return runBatchCommand(flags, context);
  },
};
