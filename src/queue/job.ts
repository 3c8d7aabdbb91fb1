import { hash } from 'node:crypto';
import type { BatchItem } from '../batch/batch-item.ts';
import { keyOf } from '../batch/batch-result.ts';
import type { RequestInput } from '../client/client.ts';
import type { TemplateObject } from '../conversation/result-object.ts';
import { UsageError } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';
import { steeringReason } from '../protocol/request-fields.ts';

/** Raised when a job or its end means something that an older cllm would not do. */
export const queueVersion = 1;

/** Redis is no place for images: a job above this many bytes is not queued. */
const mostJobBytes = 256 * 1024;

/** The form that a reply has to have, as it crosses the wire. */
export type FormSpec =
  | { kind: 'schema'; text: string; file: string; name: string }
  | { kind: 'block'; language: string | null };

/** What the submitter says of how its items are asked; null is the worker's own. Seconds. */
export interface CallWishes {
  retries: number | null;
  first_token_timeout: number | null;
  idle_timeout: number | null;
  timeout: number | null;
  max_reply_bytes: number | null;
  require_model: string | null;
  fallback: boolean;
  cache: boolean;
}

/** On whom the calls are booked. */
export interface JobMarks {
  /** Asked for by hand. */
  tags: string[];
  /** Of the CI job that submitted; left out where a proxy takes none from its clients. */
  job_tags: string[];
  metadata: Record<string, string>;
}

/**
 * One item as it stands in the queue. It holds no key, no header and no address: who asks, with what and where, is the
 * worker's own.
 */
export interface Job {
  v: number;
  run: string;
  /** Told apart from earlier jobs of the same item, whose ends may still be on their way. */
  try: string;
  line: number;
  custom_id: string | null;
  input_digest: string | null;
  request: RequestInput;
  session: string;
  template: TemplateObject | null;
  form: FormSpec | null;
  schema_retries: number;
  is_short_allowed: boolean;
  /** A refusal for lack of room is told, and not a failure. */
  may_wait: boolean;
  call: CallWishes;
  marks: JobMarks;
  /** Set by a worker that asks for it with nothing beside it, since the worker before did not come back from it. */
  alone?: boolean;
}

/** What all jobs of a run have in common. */
export type RunFacts = Omit<Job, 'v' | 'try' | 'line' | 'custom_id' | 'input_digest' | 'request' | 'alone'>;

export function jobOf(item: BatchItem, request: RequestInput, facts: RunFacts, attempt: string): Job {
  return { v: queueVersion, try: attempt, ...identityOf(item), request, ...facts };
}

/**
 * The same for the same item of the same run, asked in the same way: a coordinator that was killed finds its jobs again,
 * and one whose prompt, parameters or wishes have changed meanwhile finds none: a reply that may be short is no answer to
 * who takes none. BullMQ takes neither integers nor colons.
 */
export function jobId(job: Job): string {
  const { run, request, form, template, schema_retries: retries, is_short_allowed: isShortAllowed, call: wishes } = job;
  const asked = [run, keyOf(job), request, form, template, retries, isShortAllowed, wishes];
  return `i${hash('sha256', JSON.stringify(asked))}`.slice(0, 41);
}

/** @throws UsageError for the one item: `input_too_large`, or what no worker takes */
export function assertJob(job: Job): void {
  if (!isRequest(job.request)) {
    throw new UsageError(`line ${job.line} has a field that steers the proxy, which no worker takes from a queue`, {
      code: 'input_invalid',
      hint: 'take it out of -p or the settings, or ask without --queue',
    });
  }
  const bytes = Buffer.byteLength(JSON.stringify(job));
  if (bytes <= mostJobBytes) return;
  throw new UsageError(
    `line ${job.line} is too large for a queue: ${Math.ceil(bytes / 1024)} KiB, and a job has ${mostJobBytes / 1024} at most`,
    { code: 'input_too_large', hint: 'ask for it without --queue: images and long documents go straight to the proxy' },
  );
}

export const identityOf = ({
  line,
  customId,
  digest,
}: BatchItem): Pick<Job, 'line' | 'custom_id' | 'input_digest'> => ({
  line,
  custom_id: customId,
  input_digest: customId === null ? digest : null,
});

/** A job that this cllm is too old for: another worker may know it. */
export class NewerJob extends Error {}

/** A job that no worker takes. The message says why. */
export class RefusedJob extends Error {}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isTextRecord: Check = (value) => isJsonObject(value) && Object.values(value).every(isText);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
/** Exactly these members. */
const has =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isJsonObject(value) && unknownMember(value, members) === null && wrongMember(value, members) === null;

const schemaForm = has({ kind: (kind) => kind === 'schema', text: isText, file: isText, name: isText });
const blockForm = has({ kind: (kind) => kind === 'block', language: orNull(isText) });

const call: Record<keyof CallWishes, Check> = {
  retries: orNull(isCount),
  first_token_timeout: orNull(isTime),
  idle_timeout: orNull(isTime),
  timeout: orNull(isTime),
  max_reply_bytes: orNull(isCount),
  require_model: orNull(isText),
  fallback: isFlag,
  cache: isFlag,
};

const marks: Record<keyof JobMarks, Check> = { tags: isTexts, job_tags: isTexts, metadata: isTextRecord };

const members: Record<keyof Job, Check> = {
  v: (v) => v === queueVersion,
  run: isText,
  try: isText,
  line: isCount,
  custom_id: orNull(isText),
  input_digest: orNull(isText),
  request: isRequest,
  session: isText,
  template: orNull(has({ name: isText, digest: isText })),
  form: orNull((form) => schemaForm(form) || blockForm(form)),
  schema_retries: isCount,
  is_short_allowed: isFlag,
  may_wait: isFlag,
  call: has(call),
  marks: has(marks),
  alone: (alone) => alone === undefined || isFlag(alone),
};

/**
 * A job as it came out of the queue, which others may write to as well: a member that is not known is refused and not
 * passed over, for it may have been meant to steer the worker.
 *
 * @throws NewerJob, RefusedJob
 */
export function readJob(value: unknown): Job {
  if (!isJsonObject(value)) throw new RefusedJob('it is no object');
  const { v } = value;
  if (typeof v === 'number' && Number.isSafeInteger(v) && v > queueVersion) throw new NewerJob(`it is of version ${v}`);
  const unknown = unknownMember(value, members);
  if (unknown !== null) throw new RefusedJob(`it has a member that is not known: ${shown(unknown)}`);
  const wrong = wrongMember(value, members);
  if (wrong !== null) throw new RefusedJob(`its ${wrong} is not what it should be`);
  return value as unknown as Job;
}

function isRequest(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { model, messages, ...others } = value;
  return (
    isText(model) &&
    Array.isArray(messages) &&
    messages.every((message) => isJsonObject(message) && isText(message['role'])) &&
    isModelsOwn(others)
  );
}

/** What a line of a batch may not say, a job may not either: LiteLLM reads what steers it in the metadata as well. */
function isModelsOwn(fields: Record<string, unknown>): boolean {
  const groups = [fields, fields['metadata'], fields['litellm_metadata']].filter(isJsonObject);
  return groups.every((group) => Object.keys(group).every((name) => steeringReason(name) === null));
}

function unknownMember(value: Record<string, unknown>, known: Readonly<Record<string, Check>>): string | null {
  return Object.keys(value).find((name) => !Object.hasOwn(known, name)) ?? null;
}

function wrongMember(value: Record<string, unknown>, known: Readonly<Record<string, Check>>): string | null {
  return Object.entries(known).find(([name, check]) => !check(value[name]))?.[0] ?? null;
}

function shown(name: string): string {
  return /^[\w.-]{1,60}$/.test(name) ? name : 'one with an odd name';
}
