import type { Command } from '../command.ts';
import { chatFlags } from '../flags.ts';

export const chat: Command = {
  usage: 'chat',
  describe: 'a conversation at the terminal',
  configure: (parser) => parser.options(chatFlags),
  async run(flags, context) {
    const { runChat } = await import('../chat.ts');
    return runChat(flags, context);
  },
};
