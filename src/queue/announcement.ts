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

/** Nobody asks for more at a time: figures are added up, and what is added up decides how many are asked for. */
export const mostPlaces = 100_000;
/** Characters: what a machine or a version is called, and what stands in a line of a table. */
const longestText = 255;

type Kind = 'places' | 'count' | 'text' | 'flag';

const workerMembers: Record<keyof WorkerNotice, Kind> = {
  v: 'count',
  id: 'text',
  host: 'text',
  pid: 'count',
  version: 'text',
  concurrency: 'places',
  active: 'places',
  done: 'count',
  started_at: 'text',
  is_leaving: 'flag',
  is_too_old: 'flag',
  is_streaming: 'flag',
};

const runMembers: Record<keyof RunNotice, Kind> = {
  v: 'count',
  id: 'text',
  host: 'text',
  pid: 'count',
  version: 'text',
  limit: 'places',
  in_flight: 'places',
  done: 'count',
  started_at: 'text',
};

/** Null for what is none: anybody who may write to the queue may write this as well. */
export function readWorkerNotice(text: string): WorkerNotice | null {
  return readNotice(text, workerMembers) as WorkerNotice | null;
}

export function readRunNotice(text: string): RunNotice | null {
  return readNotice(text, runMembers) as RunNotice | null;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

const isOf: Record<Kind, (value: unknown) => boolean> = {
  places: (value) => isCount(value) && Number(value) <= mostPlaces,
  count: isCount,
  text: (value) => typeof value === 'string' && value.length <= longestText,
  flag: (value) => typeof value === 'boolean',
};

/** With the members that are known, and no others. */
function readNotice(text: string, members: Readonly<Record<string, Kind>>): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isJsonObject(value)) return null;
  const found = value;
  const known = Object.keys(members).map((name) => [name, found[name]] as const);
  return known.every(([name, member]) => isOf[members[name] as Kind](member)) ? Object.fromEntries(known) : null;
}
