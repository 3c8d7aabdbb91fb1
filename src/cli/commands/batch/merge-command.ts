import { command } from '../../command.ts';
import { choice, neededText, text, toggle, type Values, wordList } from '../../flags/flag.ts';

export const mergeFlags = {
  output: neededText('the merged results, a new file', { alias: 'o', completes: 'files' }),
  input: text('what the batch was asked: then it is said what is missing', { completes: 'files' }),
  'input-format': choice('of the input (default: by its name, else its first line)', ['jsonl', 'text']),
  quiet: toggle('no summary', { alias: 'q' }),
};

export type MergeValues = Values<typeof mergeFlags> & { readonly parts: readonly string[] };

export const merge = command({
  usage: 'merge <parts..>',
  describe: 'one results file of several, checked',
  flags: mergeFlags,
  words: { parts: wordList('the results of the shards', 'files') },
  examples: [
    ['cllm batch merge part-*.jsonl -o all.jsonl --input in.jsonl', 'a result an item, in the order of the input'],
    ['cllm batch in.jsonl -o all.jsonl', '… and what is missing, or failed, is asked for'],
  ],
  async run(values, context) {
    const { runMerge } = await import('./merge.ts');
    return runMerge(values, context);
  },
});
