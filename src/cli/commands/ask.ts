import type { Command } from '../command.ts';
import { askFlags } from '../flags.ts';

/** The default command. Only what parsing needs is here; what it does is loaded once it is wanted. */
export const ask: Command = {
  usage: 'ask [prompt..]',
  aliases: ['$0'],
  describe: 'ask once (the default command)',
  configure: (parser) =>
    parser
      .positional('prompt', { type: 'string', array: true, describe: 'the words of the prompt; - is standard input' })
      .options(askFlags)
      .example('cllm "why is the sky blue?"', 'a reply, streamed')
      .example('git diff | cllm "review this"', 'a prompt with standard input')
      .example('cllm -c "and at night?"', 'go on with the latest conversation'),
  async run(flags, context) {
    const { runAsk } = await import('../ask.ts');
    return runAsk(flags, context);
  },
};
