import { hostname } from 'node:os';
import { attributionHeaders } from '../../../client/attribution.ts';
import type { ClientOptions, LiteLLMClient } from '../../../client/client.ts';
import type { CllmError } from '../../../outcome/errors.ts';
import { JobAsker } from '../../../queue/ask-job.ts';
import type { Job } from '../../../queue/job.ts';
import type { RedisQueue } from '../../../queue/redis-queue.ts';
import { QueueWorker } from '../../../queue/worker.ts';
import { formOf } from '../../asking/wanted-reply.ts';
import type { Context } from '../../context.ts';
import { openNeededQueue } from './queue-flags.ts';
import type { WorkerValues } from './worker.ts';

const timestamp = (): string => new Date().toISOString();

/** Runs with other wishes have other clients; more of them at a time than this is no batch any more. */
const mostClients = 16;
const troubleEveryMs = 60_000;

/** @throws CllmError the signal, when what was asked for had to be given back */
export async function runWorker(values: WorkerValues, context: Context): Promise<CllmError | null> {
  const { io, version, remark } = context;
  const startedAt = io.now();
  const { baseUrl, tags } = await context.settings();
  // What is wrong with the way to the proxy is said before anything is taken.
  await context.client();
  let queue: RedisQueue | null = null;
  let saidAt = Number.NEGATIVE_INFINITY;
  const onTrouble = ({ message }: Error): void => {
    // A lock that is gone is what its job is about, and no trouble with the queue.
    if (queue?.isReachable !== false || io.now() - saidAt < troubleEveryMs) return;
    saidAt = io.now();
    remark(`the queue at ${queue.address.shown} is out of reach (${message}); trying again`);
  };
  queue = await openNeededQueue(values, io, onTrouble);
  const opened = queue;
  try {
    const clients = new JobClients(values, context, tags.value);
    const asker = new JobAsker({
      clientOf: (job) => clients.of(job),
      tagsOf: (job) => clients.headersOf(job, true)['x-litellm-tags'],
      formOf,
      isStopped: (run) => opened.isStopped(run),
      isStreaming: values.stream,
      onStreaming: (error) => remark(`replies are streamed from here on: ${error.message}`),
      timestamp,
    });
    const concurrency = values.concurrency ?? 8;
    const worker = new QueueWorker(opened, {
      asker,
      concurrency,
      graceMs: (values.grace ?? 25) * 1000,
      isDraining: values.drain,
      signal: io.signal,
      say: remark,
      timestamp,
      clock: io.now,
      notice: { host: hostname(), pid: io.pid, version },
    });
    if (!values.quiet)
      remark(
        `takes ${concurrency} at a time from ${opened.name} at ${opened.address.shown}, and asks ${baseUrl.value}`,
      );
    const { done, givenBack } = await worker.run();
    const rest = givenBack === 0 ? '' : ` · ${givenBack} given back`;
    if (!values.quiet) remark(`${done} asked${rest} · ${((io.now() - startedAt) / 1000).toFixed(1)} s`);
    if (givenBack > 0) throw io.signal.reason;
    return null;
  } finally {
    await opened.close();
  }
}

/** The clients for what jobs wish: with this machine's key and address, and the tags of whoever submitted. */
class JobClients {
  readonly #values: WorkerValues;
  readonly #context: Context;
  readonly #tags: readonly string[];
  readonly #clients = new Map<string, Promise<LiteLLMClient>>();
  readonly #host = hostname();

  constructor(values: WorkerValues, context: Context, tags: readonly string[]) {
    this.#values = values;
    this.#tags = tags;
    this.#context = context;
  }

  of(job: Job): Promise<LiteLLMClient> {
    const key = JSON.stringify([job.call, job.marks]);
    let client = this.#clients.get(key);
    if (client !== undefined) return client;
    client = this.#context.clientWith(this.#optionsOf(job));
    this.#clients.set(key, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > mostClients && oldest !== undefined) this.#clients.delete(oldest);
    return client;
  }

  headersOf({ marks }: Pick<Job, 'marks'>, isTagged: boolean): Record<string, string> {
    const { header, endUser, metadata } = this.#values;
    const own: Record<string, string> = Object.fromEntries(header);
    const tags = [
      ...this.#tags,
      ...(own['x-litellm-tags']?.split(',') ?? []),
      ...marks.tags,
      ...(isTagged ? marks.job_tags : []),
    ];
    return {
      ...own,
      // Which machine asked: not as a tag, of which LiteLLM keeps a row a day for ever.
      ...attributionHeaders(
        { tags, metadata: { ...marks.metadata, ...Object.fromEntries(metadata), worker: this.#host } },
        null,
      ),
      ...(endUser !== undefined && { 'x-litellm-end-user-id': endUser }),
    };
  }

  #optionsOf(job: Job): Partial<ClientOptions> {
    const { call } = job;
    const told = {
      retries: call.retries,
      firstTokenTimeout: call.first_token_timeout,
      idleTimeout: call.idle_timeout,
      timeout: call.timeout,
      maxReplyBytes: call.max_reply_bytes,
      requireModel: call.require_model,
    };
    return {
      ...(Object.fromEntries(Object.entries(told).filter(([, value]) => value !== null)) as Partial<ClientOptions>),
      allowFallbacks: call.fallback,
      allowCache: call.cache,
      headers: this.headersOf(job, true),
      untaggedHeaders: this.headersOf(job, false),
    };
  }
}
