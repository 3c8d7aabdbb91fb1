import { CllmError } from '../outcome/errors.ts';
import { type JsonObject, objectOf, textOrNull } from '../protocol/json.ts';
import type { Limits } from './people-file.ts';

/** What cllm has written to a team, a user or a key: whose it is to look after. */
export interface Mark {
  /** The set of the file that it came from. */
  set: string;
  /** What the key's expiry was made from. */
  duration: string | null;
  /** When it went from the file, ISO 8601; null while it stands there. */
  leftAt: string | null;
  /** Of a key that another one took the place of: the alias that it had. */
  rotatedFrom: string | null;
}

interface Marked {
  /** Null for what cllm did not make. */
  mark: Mark | null;
  /** All of it, ours and others'. */
  metadata: JsonObject;
}

export interface ProxyTeam extends Marked {
  id: string;
  alias: string;
  limits: Limits;
  memberIds: ReadonlySet<string>;
  spend: number | null;
  resetsAt: string | null;
  isBlocked: boolean;
}

export interface ProxyUser extends Marked {
  id: string;
  email: string | null;
}

export interface ProxyKey extends Marked {
  /** SHA-256 of the key: LiteLLM's name for it. */
  hash: string;
  alias: string | null;
  /** `sk-...1234`. */
  shortName: string | null;
  userId: string | null;
  teamId: string | null;
  limits: Limits;
  spend: number | null;
  resetsAt: string | null;
  expiresAt: string | null;
  createdAt: string | null;
  lastActiveAt: string | null;
  isBlocked: boolean;
}

/** What the proxy has now. */
export interface ProxyState {
  teams: readonly ProxyTeam[];
  users: readonly ProxyUser[];
  keys: readonly ProxyKey[];
}

/** What of a client reading takes. */
export interface Asking {
  get(path: string): Promise<unknown>;
}

/** LiteLLM gives no more at a time. */
const pageSize = 100;
/** A hundred thousand: beyond it an answer goes round in circles. */
const mostPages = 1000;

/** @throws CllmError when the proxy does not answer, has no database, or the key may not look at it all */
export async function readState(client: Asking): Promise<ProxyState> {
  const [teams, users, keys] = [await readTeams(client), await readUsers(client), await readKeys(client)];
  return { teams, users, keys };
}

export async function readTeams(client: Asking): Promise<ProxyTeam[]> {
  const answer = await client.get('/team/list');
  if (!Array.isArray(answer)) throw noAnswer('/team/list');
  return answer.map((each) => teamOf(objectOf(each)));
}

export async function readUsers(client: Asking): Promise<ProxyUser[]> {
  const found = await pages(client, '/user/list', 'users', (page) => ({ page, page_size: String(pageSize) }));
  return found.map((each) => ({
    id: idOf(each, 'user_id', '/user/list'),
    email: textOrNull(each['user_email']),
    ...marked(each),
  }));
}

export async function readKeys(client: Asking, match: Record<string, string> = {}): Promise<ProxyKey[]> {
  const found = await pages(client, '/key/list', 'keys', (page) => ({
    page,
    size: String(pageSize),
    return_full_object: 'true',
    // By what does not change while somebody asks: a page must not lose a row to the one before it.
    sort_by: 'created_at',
    sort_order: 'asc',
    ...match,
  }));
  return found.map((each) => keyOf(each));
}

async function pages(
  client: Asking,
  path: string,
  member: string,
  query: (page: string) => Record<string, string>,
): Promise<JsonObject[]> {
  const found = new Map<string, JsonObject>();
  for (let page = 1; page <= mostPages; page += 1) {
    const answer = objectOf(await client.get(`${path}?${new URLSearchParams(query(String(page))).toString()}`));
    const rows = answer[member];
    if (!Array.isArray(rows)) throw noAnswer(path);
    // A row that came in between moves another one to the next page, where it is there again.
    for (const row of rows)
      found.set(idOf(objectOf(row), member === 'keys' ? 'token' : 'user_id', path), objectOf(row));
    const total = answer['total_pages'];
    if (typeof total !== 'number') throw noAnswer(path);
    if (page >= total) return [...found.values()];
  }
  throw noAnswer(path);
}

function teamOf(team: JsonObject): ProxyTeam {
  const members = Array.isArray(team['members_with_roles']) ? team['members_with_roles'] : [];
  const id = idOf(team, 'team_id', '/team/list');
  return {
    id,
    alias: textOrNull(team['team_alias']) ?? id,
    limits: limitsOf(team),
    memberIds: new Set(members.flatMap((each) => textOrNull(objectOf(each)['user_id']) ?? [])),
    spend: numberOrNull(team['spend']),
    resetsAt: textOrNull(team['budget_reset_at']),
    isBlocked: team['blocked'] === true,
    ...marked(team),
  };
}

function keyOf(key: JsonObject): ProxyKey {
  return {
    hash: idOf(key, 'token', '/key/list'),
    alias: textOrNull(key['key_alias']),
    shortName: textOrNull(key['key_name']),
    userId: textOrNull(key['user_id']),
    teamId: textOrNull(key['team_id']),
    limits: limitsOf(key),
    spend: numberOrNull(key['spend']),
    resetsAt: textOrNull(key['budget_reset_at']),
    expiresAt: textOrNull(key['expires']),
    createdAt: textOrNull(key['created_at']),
    lastActiveAt: textOrNull(key['last_active']),
    isBlocked: key['blocked'] === true,
    ...marked(key),
  };
}

function limitsOf(object: JsonObject): Limits {
  const models = Array.isArray(object['models']) ? object['models'] : [];
  return {
    max_budget: numberOrNull(object['max_budget']),
    budget_duration: textOrNull(object['budget_duration']),
    rpm_limit: numberOrNull(object['rpm_limit']),
    tpm_limit: numberOrNull(object['tpm_limit']),
    max_parallel_requests: numberOrNull(object['max_parallel_requests']),
    models: models.filter((model): model is string => typeof model === 'string').toSorted(),
  };
}

function marked(object: JsonObject): Marked {
  const metadata = objectOf(object['metadata']);
  const { set, duration, left_at: leftAt, rotated_from: rotatedFrom } = objectOf(metadata['cllm']);
  const mark =
    typeof set === 'string'
      ? {
          set,
          duration: textOrNull(duration),
          leftAt: textOrNull(leftAt),
          rotatedFrom: textOrNull(rotatedFrom),
        }
      : null;
  return { mark, metadata };
}

/** The metadata with our mark in it; what others wrote stays. */
export function markedMetadata(metadata: JsonObject, { set, duration, leftAt, rotatedFrom }: Mark): JsonObject {
  return {
    ...metadata,
    cllm: {
      set,
      ...(duration !== null && { duration }),
      ...(leftAt !== null && { left_at: leftAt }),
      ...(rotatedFrom !== null && { rotated_from: rotatedFrom }),
    },
  };
}

export function newMark(set: string, duration: string | null = null): Mark {
  return { set, duration, leftAt: null, rotatedFrom: null };
}

function idOf(row: JsonObject, name: string, path: string): string {
  const id = textOrNull(row[name]);
  if (id === null) throw noAnswer(path);
  return id;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function noAnswer(path: string): CllmError {
  return new CllmError('unexpected_response', `the answer of ${path} is none of LiteLLM's`, {
    hint: 'check that --base-url is a LiteLLM with a database, and that the key is its master key or an admin’s: cllm whoami',
  });
}
