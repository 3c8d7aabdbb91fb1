import { command } from '../../command.ts';
import { chatFlags } from '../../flags/flags.ts';

export const chat = command({
  usage: 'chat',
  describe: 'a conversation at the terminal',
  flags: chatFlags,
  async run(values, context) {
    const { runChat } = await import('./run.ts');
    return runChat(values, context);
  },
});
