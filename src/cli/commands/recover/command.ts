import { command } from '../../command.ts';
import { optionalWord, toggle } from '../../flags/flag.ts';

export const recover = command({
  usage: 'recover [id]',
  describe: 'turns that a crash left in flight; restores one, or all with --yes',
  words: { id: optionalWord('the turn to restore, or the beginning of its id') },
  flags: { yes: toggle('restore all', { alias: 'y' }) },
  async run(values, context) {
    const { runRecover } = await import('./run.ts');
    return runRecover(values, context);
  },
});
