import { parseShard } from '../../../batch/shard.ts';
import { command } from '../../command.ts';
import { merge } from './merge-command.ts';
import { choice, inGroup, mapped, neededWord, number, onPage, reworded, text, toggle } from '../../flags/flag.ts';
import {
  limitFlags,
  modelFlags,
  moneyFlags,
  previewFlags,
  proxyFlags,
  schemaFlags,
  sizeFlags,
  templateFlags,
  toolFlags,
  viewFlags,
} from '../../flags/flags.ts';

import { queueFlags, queueRunFlags } from './queue-flags.ts';
import { batchStatus } from './status.ts';
import { batchWorker } from './worker.ts';

const group = 'Batch:';

export const batchFlags = {
  ...inGroup(group, {
    output: text('the results; run again, it goes on from there', { alias: 'o', completes: 'files' }),
    'input-format': choice('of the file (default: by its name, else its first line)', ['jsonl', 'text', 'csv', 'tsv']),
    template: reworded(templateFlags.template, {
      describe: 'makes a prompt of each row of a table',
    }),
    var: reworded(templateFlags.var, { describe: 'a variable that no column has, NAME=VALUE' }),
    'trust-template': reworded(templateFlags['trust-template'], {}),
    concurrency: number('requests at a time (default 8); fewer on 429', { least: 1, isWhole: true }),
    shard: mapped(text('I/N: only the I-th of N parts; auto: as CI says'), parseShard),
    'fail-fast': toggle('begin nothing more after the first failure'),
    reporter: text('github, junit[=FILE], markdown[=FILE]'),
    'output-schema': reworded(schemaFlags['output-schema'], { describe: 'a JSON schema that each reply must match' }),
    'schema-retries': reworded(schemaFlags['schema-retries'], {}),
    extract: reworded(schemaFlags.extract, {}),
    'extract-lang': reworded(schemaFlags['extract-lang'], {}),
  }),
  ...onPage('connection', ['queue-name', 'insecure-queue', 'worker-timeout'], {
    ...queueFlags,
    ...queueRunFlags,
    queue: reworded(queueFlags.queue, { group, describe: 'rediss://HOST: workers ask ($CLLM_QUEUE_URL)' }),
  }),
  'allow-short': viewFlags['allow-short'],
  quiet: reworded(viewFlags.quiet, { describe: 'no progress', group }),
  ...moneyFlags,
  ...sizeFlags,
  ...onPage(
    'output',
    ['output-format'],
    inGroup(group, { ...previewFlags, 'output-format': choice('of --dry-run', ['text', 'json']) }),
  ),
  ...modelFlags,
  mcp: toolFlags.mcp,
  allow: toolFlags.allow,
  'max-steps': toolFlags['max-steps'],
  ...limitFlags,
  ...proxyFlags,
};

export const batch = command({
  usage: 'batch <file>',
  describe: 'many prompts, one result line each',
  flags: batchFlags,
  words: {
    file: neededWord('JSON lines, a prompt a line, a table; - is stdin', 'files'),
  },
  examples: [
    ['cllm batch in.jsonl -o out.jsonl', 'ask for each line, eight at a time'],
    ['cllm batch a.csv -t sort -o out.jsonl', 'a prompt from each row of a table'],
    ['cllm batch - -o out.jsonl --max-cost 5', 'from a pipe, with a cap'],
  ],
  subcommands: [batchWorker, batchStatus, merge],
  async run(values, context) {
    const { runBatchCommand } = await import('./run.ts');
    return runBatchCommand(values, context);
  },
});
