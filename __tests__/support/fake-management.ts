import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Row = Record<string, unknown>;

/** What a call would do, before it does: a number refuses with that status, `drop` does it and closes without an answer. */
export type Judge = (path: string, body: Row) => number | 'drop' | null | Promise<number | 'drop' | null>;

/**
 * LiteLLM's management of teams, users and keys as far as cllm uses it, with the rules that were measured on 1.104.2: an
 * alias of a key is taken once and that of a team often, a key that is there already is a silent yes, an update replaces
 * the metadata, a key moves only into a team that its user is a member of. __tests__/litellm/team-proxy.test.ts has the real.
 */
export interface FakeManagement {
  baseUrl: string;
  teams: Row[];
  users: Row[];
  keys: Row[];
  /** Each call that changes something, in order. */
  changes: { path: string; body: Row }[];
  judge: Judge;
  /** All that was sent, headers and bodies, to look for what must not be in it. */
  close(): Promise<void>;
}

const limits = {
  max_budget: null,
  budget_duration: null,
  rpm_limit: null,
  tpm_limit: null,
  max_parallel_requests: null,
  models: [],
  metadata: {},
  spend: 0,
};

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function startFakeManagement(): Promise<FakeManagement> {
  const state: Omit<FakeManagement, 'baseUrl' | 'close'> = {
    teams: [],
    users: [],
    keys: [],
    changes: [],
    judge: () => null,
  };
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      const url = new URL(request.url ?? '/', 'http://fake');
      const body = text === '' ? {} : (JSON.parse(text) as Row);
      void answer(state, url, body, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, {
    baseUrl: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

type State = Omit<FakeManagement, 'baseUrl' | 'close'>;

async function answer(state: State, url: URL, body: Row, response: ServerResponse): Promise<void> {
  const send = (status: number, value: unknown): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const isChange = !/list|info|models/.test(url.pathname);
  try {
    const verdict = isChange ? await state.judge(url.pathname, body) : null;
    if (typeof verdict === 'number') throw new Refusal(verdict, 'as the test wants it');
    const value = isChange ? change(state, url.pathname, body) : look(state, url);
    if (isChange) state.changes.push({ path: url.pathname, body });
    if (verdict === 'drop') response.destroy();
    else send(200, value);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(error.status, { error: { message: error.message, type: 'bad_request_error', code: String(error.status) } });
  }
}

function look({ teams, users, keys }: State, url: URL): unknown {
  const query = url.searchParams;
  const page = (rows: Row[], size: number): { rows: Row[]; total_pages: number } => {
    const at = (Number(query.get('page')) - 1) * size;
    return { rows: rows.slice(at, at + size), total_pages: Math.ceil(rows.length / size) };
  };
  switch (url.pathname) {
    case '/team/list':
      return teams;
    case '/user/list': {
      const { rows, total_pages } = page(users, Number(query.get('page_size')));
      return { users: rows, total_pages };
    }
    case '/key/list': {
      const alias = query.get('key_alias');
      const team = query.get('team_id');
      const found = keys.filter(
        (key) => (alias === null || key['key_alias'] === alias) && (team === null || key['team_id'] === team),
      );
      const { rows, total_pages } = page(found, Number(query.get('size')));
      return { keys: rows, total_pages };
    }
    case '/key/info':
      return { info: keys.find((key) => key['token'] === query.get('key')) ?? {} };
    case '/v1/models':
      return { data: [{ id: 'hello' }, { id: 'gpt' }] };
    default:
      throw new Refusal(404, 'Not Found');
  }
}

function change(state: State, path: string, body: Row): unknown {
  const { teams, users, keys } = state;
  const key = keys.find((each) => each['token'] === body['key']);
  const team = teams.find((each) => each['team_id'] === body['team_id']);
  switch (path) {
    case '/team/new': {
      if (team !== undefined) throw new Refusal(400, 'Team id already exists. Please use a different team id.');
      teams.push({ ...limits, members_with_roles: [], ...body });
      return {};
    }
    case '/team/update':
      return Object.assign(needed(team), body);
    case '/team/member_add': {
      const members = needed(team)['members_with_roles'] as Row[];
      for (const each of body['member'] as Row[]) {
        if (!members.some((member) => member['user_id'] === each['user_id'])) members.push(each);
      }
      return {};
    }
    case '/team/member_delete': {
      const found = needed(team);
      const user = body['user_id'];
      found['members_with_roles'] = (found['members_with_roles'] as Row[]).filter((each) => each['user_id'] !== user);
      state.keys = keys.filter((each) => each['user_id'] !== user || each['team_id'] !== body['team_id']);
      return {};
    }
    case '/user/new': {
      const isTaken = users.some(
        (user) => user['user_id'] === body['user_id'] || (emailOf(body) !== null && emailOf(user) === emailOf(body)),
      );
      if (isTaken) throw new Refusal(409, 'User already exists');
      users.push({ user_email: null, metadata: {}, ...body });
      return {};
    }
    case '/user/update':
      return Object.assign(needed(users.find((user) => user['user_id'] === body['user_id'])), body);
    case '/user/delete': {
      const gone = body['user_ids'] as unknown[];
      state.users = users.filter((user) => !gone.includes(user['user_id']));
      state.keys = keys.filter((each) => !gone.includes(each['user_id']));
      return {};
    }
    case '/key/generate': {
      const chosen = body['key'] as string;
      const token = createHash('sha256').update(chosen).digest('hex');
      if (keys.some((each) => each['key_alias'] === body['key_alias'])) {
        throw new Refusal(400, `Key with alias ${JSON.stringify(body['key_alias'])} already exists.`);
      }
      if (keys.every((each) => each['token'] !== token)) {
        const { key: _key, duration, ...facts } = body;
        const now = Date.now();
        keys.push({
          ...limits,
          blocked: null,
          user_id: null,
          team_id: null,
          created_at: new Date(now).toISOString(),
          expires:
            typeof duration === 'string'
              ? new Date(now + Number.parseInt(duration, 10) * 86_400_000).toISOString()
              : null,
          ...facts,
          token,
          key_name: `sk-...${chosen.slice(-4)}`,
        });
      }
      return { key: chosen };
    }
    case '/key/update': {
      const { key: _key, duration: _duration, ...facts } = body;
      const into = teams.find((each) => each['team_id'] === facts['team_id']);
      const found = needed(key);
      const isMember = (into?.['members_with_roles'] as Row[] | undefined)?.some(
        (each) => each['user_id'] === found['user_id'],
      );
      if (into !== undefined && found['user_id'] !== null && isMember !== true)
        throw new Refusal(403, `User=${JSON.stringify(found['user_id'])} is not a member of the team`);
      return Object.assign(found, facts);
    }
    case '/key/block':
      return Object.assign(needed(key), { blocked: true });
    case '/key/unblock':
      return Object.assign(needed(key), { blocked: false });
    case '/key/delete': {
      const gone = body['keys'] as unknown[];
      state.keys = keys.filter((each) => !gone.includes(each['token']));
      return {};
    }
    default:
      throw new Refusal(404, 'Not Found');
  }
}

function needed(row: Row | undefined): Row {
  if (row === undefined) throw new Refusal(404, 'not found');
  return row;
}

function emailOf(row: Row): string | null {
  const { user_email: email } = row;
  return typeof email === 'string' ? email.toLowerCase() : null;
}
