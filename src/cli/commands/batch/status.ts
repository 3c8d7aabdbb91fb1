import { command } from '../../command.ts';
import { jsonFlag } from '../../flags/flags.ts';
import { queueFlags } from './queue-flags.ts';

export const batchStatus = command({
  usage: 'status',
  describe: 'of a queue: workers, runs, what is stuck',
  flags: { ...queueFlags, ...jsonFlag },
  async run(values, context) {
    const { showStatus } = await import('./show-status.ts');
    return showStatus(values, context);
  },
});
