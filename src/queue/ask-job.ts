import { askItem, Holds, type ItemDefaults, type ItemEnd } from '../batch/ask-item.ts';
import type { BatchItem } from '../batch/batch-item.ts';
import type { LiteLLMClient } from '../client/client.ts';
import { withHeaderTags } from '../client/attribution.ts';
import type { ReplyForm } from '../conversation/taken-reply.ts';
import { CllmError, ProxyError } from '../outcome/errors.ts';
import type { FormSpec, Job } from './job.ts';

export interface JobAskerOptions {
  /** A client with this machine's key and address, and with what the job wishes. */
  clientOf: (job: Job) => Promise<LiteLLMClient>;
  /** The header with its tags; undefined without any. */
  tagsOf: (job: Job) => string | undefined;
  formOf: (form: FormSpec) => Promise<ReplyForm>;
  /** Whether the run may spend nothing more. */
  isStopped: (run: string) => Promise<boolean>;
  /** Whether replies are streamed from the beginning. */
  isStreaming: boolean;
  /** Told once, of what made them be streamed from then on. */
  onStreaming: (error: CllmError) => void;
  /** ISO 8601, UTC. */
  timestamp: () => string;
}

/**
 * Asks for what stands in jobs. Replies come as one body each, which costs the proxy a sixth of what a stream costs it
 * (litellm 1.104.2: 32 and 214 ms of CPU). On the way there may be a balancer that ends what is silent for long: after the
 * first reply that was cut or timed out, this one and all later ones are streamed.
 */
export class JobAsker {
  readonly #options: JobAskerOptions;
  isStreaming: boolean;

  constructor(options: JobAskerOptions) {
    this.#options = options;
    this.isStreaming = options.isStreaming;
  }

  async ask(job: Job, signal: AbortSignal): Promise<ItemEnd> {
    // What the submitter said holds.
    const isOpen = job.request.stream === undefined;
    const isStreamed = this.isStreaming;
    const end = await this.#askOnce(job, isOpen ? isStreamed : job.request.stream === true, isOpen, signal);
    if (!isOpen || isStreamed || signal.aborted || end.error === null || !isCutOnTheWay(end.error)) return end;
    if (!this.isStreaming) {
      this.isStreaming = true;
      this.#options.onStreaming(end.error);
    }
    return this.#askOnce(job, true, false, signal);
  }

  async #askOnce(job: Job, isStreamed: boolean, mayChange: boolean, signal: AbortSignal): Promise<ItemEnd> {
    const client = await this.#options.clientOf(job);
    const request = { ...job.request, stream: isStreamed };
    return askItem(client, itemOfJob({ ...job, request }), await this.#defaultsOf(job), {
      holds: new Holds(signal),
      timestamp: this.#options.timestamp,
      sessionId: job.session,
      mayWait: job.may_wait,
      mayGoOn: () => true,
      ...(mayChange && !isStreamed && { givesUp: isCutOnTheWay }),
    });
  }

  async #defaultsOf(job: Job): Promise<ItemDefaults> {
    const tags = this.#options.tagsOf(job);
    return {
      model: null,
      resolveModel: (name) => name,
      system: null,
      params: {},
      isShortAllowed: job.is_short_allowed,
      template: job.template,
      form: job.form && (await this.#options.formOf(job.form)),
      schemaRetries: job.schema_retries,
      refuseModel: null,
      refuseRequest: job.schema_retries === 0 ? null : this.#refuseAgain(job.run),
      withTools: null,
      complete: (body) => withHeaderTags(body, tags),
    };
  }

  /** Who queued it had the money for the first request; for a further one the run may have spent it meanwhile. */
  #refuseAgain(run: string): ItemDefaults['refuseRequest'] {
    let requests = 0;
    return async () => {
      requests += 1;
      if (requests === 1 || !(await this.#options.isStopped(run))) return null;
      return new CllmError('cost_cap', '--max-cost is reached: nothing more is asked');
    };
  }
}

/** The item that a job is of, as a batch on this machine would have it. */
export function itemOfJob({ line, custom_id: customId, input_digest: digest, request }: Job): BatchItem {
  const { messages, ...params } = request;
  return {
    line,
    customId,
    digest,
    request: {
      messages: typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages,
      system: null,
      params,
    },
    error: null,
  };
}

/** What a balancer does to a connection that is silent, and our own deadline for a first token, which one body has not. */
function isCutOnTheWay(error: CllmError): boolean {
  if (error instanceof ProxyError) return error.code === 'server_error' && [408, 504, 524].includes(error.status);
  return ['connection_failed', 'stream_cut', 'first_token_timeout'].includes(error.code);
}
