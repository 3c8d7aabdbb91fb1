import { command } from '../../command.ts';
import { inGroup, number, toggle, type Values } from '../../flags/flag.ts';
import { limitFlags, proxyFlags } from '../../flags/flags.ts';
import { queueFlags } from './queue-flags.ts';

const group = 'Worker:';

const workerFlags = {
  ...queueFlags,
  ...inGroup(group, {
    concurrency: number('requests at a time (default 8)', { least: 1, isWhole: true }),
    drain: toggle('end when no run and no job is left'),
    grace: number('seconds for what is asked for to end after SIGTERM (default 25); the rest is given back', {
      least: 0,
    }),
    stream: toggle('stream replies from the beginning (default: once something on the way cut one)'),
    quiet: toggle('say only what goes wrong', { alias: 'q' }),
  }),
  'connect-timeout': limitFlags['connect-timeout'],
  ...proxyFlags,
};

export type WorkerValues = Values<typeof workerFlags>;

export const batchWorker = command({
  usage: 'worker',
  describe: 'takes items from a queue and asks for them',
  flags: workerFlags,
  examples: [
    ['cllm batch worker --concurrency 32', 'until SIGTERM, from the queue of $CLLM_QUEUE_URL'],
    ['cllm batch worker --drain', 'in a CI job: ends with the run'],
  ],
  async run(values, context) {
    const { runWorker } = await import('./run-worker.ts');
    return runWorker(values, context);
  },
});
