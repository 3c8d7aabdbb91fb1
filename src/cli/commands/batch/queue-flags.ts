import { UsageError } from '../../../outcome/errors.ts';
import { passwordsIn } from '../../../protocol/redact-secrets.ts';
import type { RedisQueue } from '../../../queue/redis-queue.ts';
import { inGroup, number, text, toggle, type Values } from '../../flags/flag.ts';
import type { Io } from '../../io.ts';
import { remark } from '../../views/report.ts';

const group = 'Queue:';

/** Which queue. */
export const queueFlags = inGroup(group, {
  queue: text('rediss://HOST, where workers take the items from (default $CLLM_QUEUE_URL)'),
  'queue-name': text('of several queues there this one (default "batch")'),
  'insecure-queue': toggle('let prompts and replies cross the network in clear, on redis://'),
});

export const queueRunFlags = inGroup(group, {
  'worker-timeout': number('seconds without a worker after which the batch ends (default 0 = never)', { least: 0 }),
});

export type QueueValues = Values<typeof queueFlags>;

/** The URL of the queue; null when there is none. Its password is a secret from here on. */
function queueUrlOf({ queue }: QueueValues, { env, secrets }: Pick<Io, 'env' | 'secrets'>): string | null {
  const url = queue ?? (env['CLLM_QUEUE_URL'] || null);
  for (const secret of url === null ? [] : passwordsIn(url)) secrets.add(secret);
  return url;
}

/**
 * The queue that the flags or the environment name; null when neither does.
 *
 * @throws UsageError; CllmError `queue_unavailable`, `queue_failed`
 */
export async function openNamedQueue(
  values: QueueValues,
  io: Io,
  onTrouble: (error: Error) => void,
): Promise<RedisQueue | null> {
  const url = queueUrlOf(values, io);
  if (url === null) return null;
  const [{ assertQueueName, readQueueUrl }, { RedisQueue: Queue }] = await Promise.all([
    import('../../../queue/queue-url.ts'),
    import('../../../queue/redis-queue.ts'),
  ]);
  const address = readQueueUrl(url, values.insecureQueue);
  const name = assertQueueName(values.queueName ?? 'batch');
  const opened = await Queue.open(address, name, { signal: io.signal, onTrouble });
  if (opened.doubt !== null) await remark(io.stderr, opened.doubt);
  return opened;
}

/** @throws UsageError when no queue is named */
export async function openNeededQueue(
  values: QueueValues,
  io: Io,
  onTrouble: (error: Error) => void,
): Promise<RedisQueue> {
  const queue = await openNamedQueue(values, io, onTrouble);
  if (queue !== null) return queue;
  throw new UsageError('no queue is named', { hint: 'set CLLM_QUEUE_URL, or --queue rediss://HOST' });
}
