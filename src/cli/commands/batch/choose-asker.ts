import { hostname } from 'node:os';
import type { AdaptiveLimit } from '../../../batch/adaptive-limit.ts';
import { Holds, type ItemDefaults } from '../../../batch/ask-item.ts';
import { type Asker, localAsker } from '../../../batch/asker.ts';
import { newSession } from '../../../conversation/conversation.ts';
import { UsageError } from '../../../outcome/errors.ts';
import type { FormSpec, RunFacts } from '../../../queue/job.ts';
import type { RedisQueue } from '../../../queue/redis-queue.ts';
import type { Context } from '../../context.ts';
import { openNamedQueue } from './queue-flags.ts';
import type { BatchValues } from './run.ts';

export interface AskingRun {
  defaults: ItemDefaults & { formSpec: FormSpec | null };
  limit: AdaptiveLimit;
  mayGoOn: () => boolean;
  timestamp: () => string;
  say: (text: string) => void;
}

interface Choice {
  values: BatchValues;
  context: Context;
  queue: RedisQueue | null;
  resultsFile: string;
}

/** The queue of a batch that workers ask for; null when this process asks. */
export async function openQueue(values: BatchValues, { io }: Context): Promise<RedisQueue | null> {
  // The batch itself says that the queue is out of reach.
  const queue = await openNamedQueue(values, io, () => {});
  if (queue === null) {
    if (values.workerTimeout !== undefined) {
      throw new UsageError('--worker-timeout is about a queue, and there is none', {
        hint: 'name it with --queue, or in CLLM_QUEUE_URL',
      });
    }
    return null;
  }
  const own = [
    ['--mcp', values.mcp.length > 0],
    ['--allow', values.allow.length > 0],
    ['--header', values.header.length > 0],
    ['--end-user', values.endUser !== undefined],
    ['--demo', values.demo],
  ] as const;
  const given = own.filter(([, isGiven]) => isGiven).map(([name]) => name);
  if (given.length === 0) return queue;
  await queue.close();
  throw new UsageError(`${given.join(', ')} can not go into a queue: workers have their own`, {
    hint: given.includes('--demo')
      ? 'give it to the worker: cllm batch worker --demo'
      : 'leave it out, give it to the workers, or ask without --queue',
  });
}

/** Who asks: this process, or workers. */
export async function openAsker(run: AskingRun, { values, context, queue, resultsFile }: Choice): Promise<Asker> {
  const { defaults, limit, mayGoOn, timestamp, say } = run;
  const { io } = context;
  const settings = await context.settings();
  const mayWait = settings.retries.value !== 0;
  if (queue === null) {
    const client = await context.client();
    const holds = new Holds(io.signal);
    return localAsker(client, defaults, { holds, timestamp, sessionId: newSession(), mayWait, mayGoOn });
  }
  const [{ RemoteAsker }, { runIdOf }] = await Promise.all([
    import('../../../queue/remote-asker.ts'),
    import('../../../queue/run-id.ts'),
  ]);
  const attribution = await context.attribution();
  const runId = runIdOf(resultsFile);
  const facts: RunFacts = {
    run: runId.id,
    session: attribution?.session ?? newSession(),
    template: defaults.template,
    form: defaults.formSpec,
    schema_retries: defaults.schemaRetries,
    is_short_allowed: defaults.isShortAllowed,
    may_wait: mayWait,
    call: {
      retries: settings.retries.value,
      first_token_timeout: settings.timeouts.firstToken.value,
      idle_timeout: settings.timeouts.idle.value,
      timeout: settings.timeouts.total.value,
      max_reply_bytes: values.maxReplyBytes ?? null,
      require_model: settings.requireModel.value,
      fallback: settings.fallback.value !== 'off',
      cache: settings.cache.value !== 'off',
    },
    marks: {
      tags: [...settings.tags.value],
      job_tags: attribution?.tags ?? [],
      metadata: { ...attribution?.metadata, ...Object.fromEntries(values.metadata) },
    },
  };
  return RemoteAsker.open(queue, {
    facts,
    defaults,
    limit,
    most: values.concurrency ?? null,
    isResumed: runId.isOld,
    forgetRun: runId.forget,
    workerTimeoutMs: (values.workerTimeout ?? 0) * 1000,
    mayGoOn,
    signal: io.signal,
    say,
    timestamp,
    clock: io.now,
    notice: { host: hostname(), pid: io.pid, version: context.version },
  });
}
