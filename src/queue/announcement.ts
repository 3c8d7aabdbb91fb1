import { isJsonObject } from '../protocol/json.ts';

/** What a worker says of itself every few seconds. */
export interface WorkerNotice {
  /** Of the jobs that it takes. */
  v: number;
  id: string;
  host: string;
  pid: number;
  /** Of cllm. */
  version: string;
  concurrency: number;
  /** Asking now. */
  active: number;
  /** Since it began. */
  done: number;
  /** ISO 8601, UTC. */
  started_at: string;
  /** Takes nothing new, and ends soon. */
  is_leaving: boolean;
  /** Saw jobs of a newer cllm, and put them back. */
  is_too_old: boolean;
  /** Its replies are streamed, by wish or since something on the way cut others. */
  is_streaming: boolean;
}

/** What a coordinator says of its run. */
export interface RunNotice {
  v: number;
  id: string;
  host: string;
  pid: number;
  version: string;
  /** How many at a time. */
  limit: number;
  in_flight: number;
  done: number;
  started_at: string;
}

/** Milliseconds between two notices. */
export const noticeEveryMs = 5_000;
/** Milliseconds after which whoever said nothing is gone. */
export const goneAfterMs = 15_000;

type Kind = 'number' | 'string' | 'boolean';

const workerMembers: Record<keyof WorkerNotice, Kind> = {
  v: 'number',
  id: 'string',
  host: 'string',
  pid: 'number',
  version: 'string',
  concurrency: 'number',
  active: 'number',
  done: 'number',
  started_at: 'string',
  is_leaving: 'boolean',
  is_too_old: 'boolean',
  is_streaming: 'boolean',
};

const runMembers: Record<keyof RunNotice, Kind> = {
  v: 'number',
  id: 'string',
  host: 'string',
  pid: 'number',
  version: 'string',
  limit: 'number',
  in_flight: 'number',
  done: 'number',
  started_at: 'string',
};

/** Null for what is none: anybody who may write to the queue may write this as well. */
export function readWorkerNotice(text: string): WorkerNotice | null {
  const notice = readNotice(text, workerMembers) as WorkerNotice | null;
  return notice !== null && isSmallCount(notice.concurrency) && isSmallCount(notice.active) ? notice : null;
}

export function readRunNotice(text: string): RunNotice | null {
  return readNotice(text, runMembers) as RunNotice | null;
}

/** Figures are added up, and what is added up decides how many are asked for at a time. */
function isSmallCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= 100_000;
}

function readNotice(text: string, members: Readonly<Record<string, Kind>>): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isJsonObject(value)) return null;
  const found = value;
  // JSON has numbers that are none here: 1e999.
  const isOf = (member: unknown, kind: Kind): boolean =>
    kind === 'number' ? Number.isFinite(member) : typeof member === kind;
  return Object.entries(members).every(([name, kind]) => isOf(found[name], kind)) ? found : null;
}
