import { command } from '../../command.ts';
import { askFlags, promptWord } from '../../flags/flags.ts';

/** The default command. Only what parsing needs is here; what it does is loaded once it is wanted. */
export const ask = command({
  usage: 'ask [prompt..]',
  aliases: ['$0'],
  describe: 'ask once (the default command)',
  flags: askFlags,
  words: promptWord,
  examples: [
    ['cllm "why is the sky blue?"', 'a reply, streamed'],
    ['git diff | cllm "review this"', 'a prompt with standard input'],
    ['cllm -c "and at night?"', 'go on with the latest conversation'],
  ],
  async run(values, context) {
    const { runAsk } = await import('./run.ts');
    return runAsk(values, context);
  },
});
