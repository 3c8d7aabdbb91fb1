import type { StreamEnd } from '../protocol/verdict.ts';
import type { RecordedHead } from './recording.ts';
import { isJsonObject } from '../protocol/json.ts';

/*
 * What a recording says in JSON, checked: a file that a crash, a power loss or somebody else left may say anything.
 */

/** Null for what no response had. */
export function readHead(value: unknown): RecordedHead | null {
  if (!isJsonObject(value) || !isJsonObject(value['headers'])) return null;
  const { status, headers, url, limits, session } = value;
  if (!Number.isInteger(status) || Number(status) < 100 || Number(status) > 999 || typeof url !== 'string') return null;
  return Object.values(headers).every((header) => typeof header === 'string')
    ? {
        status: Number(status),
        headers: headers as Record<string, string>,
        url,
        // What stands in it is checked where it is used.
        ...(isJsonObject(limits) && { limits }),
        ...(typeof session === 'string' && { session }),
      }
    : null;
}

const deadlines: unknown[] = ['connect', 'first-token', 'idle', 'total'];
const signals: unknown[] = ['SIGHUP', 'SIGINT', 'SIGTERM', null];

/** Null for an end that no stream has. */
export function readEnd(value: unknown): StreamEnd | null {
  if (!isJsonObject(value)) return null;
  return isEnd(value) ? (value as StreamEnd) : null;
}

function isEnd(end: Record<string, unknown>): boolean {
  switch (end['type']) {
    case 'done':
    case 'end':
    case 'torn':
      return true;
    case 'error':
      return isErrorFrame(end['error']);
    case 'lost':
      return typeof end['message'] === 'string';
    case 'limit':
      return (end['limit'] === 'reply' || end['limit'] === 'event') && isAmount(end['bytes']);
    case 'deadline':
      return deadlines.includes(end['deadline']) && isAmount(end['seconds']);
    case 'signal':
      return signals.includes(end['signal']);
    default:
      return false;
  }
}

function isErrorFrame(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { message, type, code, param, guardrail } = value;
  return (
    typeof message === 'string' &&
    [type, code, param].every((each) => each === null || typeof each === 'string') &&
    (guardrail === undefined ||
      (isJsonObject(guardrail) &&
        [guardrail['name'], guardrail['mode']].every((each) => each === null || typeof each === 'string')))
  );
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0;
}
