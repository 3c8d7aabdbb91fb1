import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as send, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomFrom } from '../support/generated-streams.ts';
import { describeLitellm } from '../support/litellm.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';
import { seed } from '../support/seed.ts';
import { startTeam, type Team } from '../support/team.ts';

/** `npm run test:soak` has five hundred people and kills it more often. */
const people = Number(process.env['CLLM_PEOPLE'] ?? 12);
const kills = Number(process.env['CLLM_KILLS'] ?? 3);
const minutes = 60_000;

/** `cllm admin apply` on LiteLLM with its database, when it is killed and when the way to the proxy fails. */
describeLitellm('a file of people on the real proxy', () => {
  describeWithPrograms(
    'nginx',
    'redis-server',
    'psql',
  )('whose run does not come to its end', () => {
    let team: Team;
    const homes: CliHome[] = [];
    const closers: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      team = await startTeam(`sk-${randomBytes(24).toString('hex')}`, { replicas: 1 });
    }, 10 * minutes);

    afterAll(async () => {
      for (const close of closers) await close();
      for (const each of homes) each.close();
      await team?.close();
    }, minutes);

    /** Somebody with a file of `people` people in five teams, some in two, and a job's key for each team. */
    function admin(set: string, baseUrl = team.baseUrl): Admin {
      const home = new CliHome({ LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: team.masterKey });
      homes.push(home);
      const teams = Array.from({ length: 5 }, (_, at) => `${set}-team${at}`);
      const wanted = Array.from({ length: people }, (_, at) => ({
        id: `${set}-p${at}`,
        teams: [...new Set([teams[at % 5] ?? '', ...(at % 10 === 0 ? [teams[(at + 1) % 5] ?? ''] : [])])],
      }));
      writeFileSync(
        home.at('people.yaml'),
        [
          `set: ${set}`,
          'each: { models: [hello], max_budget: 20, budget_duration: 30d, rpm_limit: 60 }',
          'teams:',
          ...teams.map((each) => `  ${each}: { max_budget: 200, budget_duration: 30d }`),
          'people:',
          ...wanted.map((each) => `  ${each.id}: { email: ${each.id}@example.com, team: [${each.teams.join(', ')}] }`),
          'keys:',
          ...teams.map((each) => `  ${each}-ci: { team: ${each}, max_budget: 5, budget_duration: 1d, duration: 90d }`),
        ].join('\n'),
      );
      const keys = new Map(
        wanted.flatMap(({ id, teams: of }) => of.map((each) => [of.length === 1 ? id : `${id}/${each}`, each])),
      );
      for (const each of teams) keys.set(`${each}-ci`, each);
      return { home, set, teams, people: wanted, keys };
    }

    const args = ['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes'];

    async function timed(home: CliHome): Promise<CliResult & { seconds: number }> {
      const startedAt = performance.now();
      const result = await home.run(args);
      return { ...result, seconds: Math.round((performance.now() - startedAt) / 100) / 10 };
    }

    /** Everybody has what the file says, once; and every key that the proxy has was handed over, once. */
    async function expectAll({ home, set, teams, people: wanted, keys }: Admin): Promise<void> {
      const mine = `LIKE '${set}-%'`;
      const json = async (statement: string): Promise<Record<string, unknown>[]> =>
        (await team.database.sql(`SELECT row_to_json(each) FROM (${statement}) each`)).map((row) => JSON.parse(row));
      const users = await json(`SELECT user_id, user_email FROM "LiteLLM_UserTable" WHERE user_id ${mine}`);
      expect(users.map((user) => String(user['user_id'])).toSorted()).toEqual(wanted.map(({ id }) => id).toSorted());
      const madeTeams = await json(
        `SELECT team_alias, team_id, members_with_roles, max_budget FROM "LiteLLM_TeamTable" WHERE team_alias ${mine}`,
      );
      expect(madeTeams.map((each) => String(each['team_alias'])).toSorted()).toEqual(teams.toSorted());
      const aliases = new Map(madeTeams.map((each) => [each['team_id'], each['team_alias']]));
      const members = madeTeams.flatMap((each) =>
        (each['members_with_roles'] as { user_id: string }[])
          .filter(({ user_id: id }) => id.startsWith(set))
          .map(({ user_id: id }) => `${id} ${String(each['team_alias'])}`),
      );
      expect(members.toSorted()).toEqual(
        wanted.flatMap(({ id, teams: of }) => of.map((each) => `${id} ${each}`)).toSorted(),
      );
      const made = await json(
        `SELECT token, key_alias, user_id, team_id, models, max_budget, budget_duration, rpm_limit, blocked,
         expires IS NOT NULL AS ends FROM "LiteLLM_VerificationToken" WHERE key_alias ${mine}`,
      );
      const row = (alias: string, of: string): object =>
        alias.endsWith('-ci')
          ? { alias, of, user_id: null, models: [], max_budget: 5, budget_duration: '1d', rpm_limit: null, ends: true }
          : {
              alias,
              of,
              user_id: alias.split('/')[0],
              models: ['hello'],
              max_budget: 20,
              budget_duration: '30d',
              rpm_limit: 60,
              ends: false,
            };
      const byAlias = (one: object, other: object): number => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);
      expect(
        made
          .map(({ token: _token, key_alias: alias, team_id: id, blocked, ...rest }) => {
            expect(blocked).not.toBe(true);
            return { alias, of: aliases.get(id), ...rest };
          })
          .toSorted(byAlias),
      ).toEqual([...keys].map(([alias, of]) => row(alias, of)).toSorted(byAlias));
      const given = readFileSync(home.at('new.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { alias: string; key: string });
      const pair = (alias: unknown, hash: unknown): string => `${String(alias)} ${String(hash)}`;
      expect(
        given.map(({ alias, key }) => pair(alias, createHash('sha256').update(key).digest('hex'))).toSorted(),
      ).toEqual(made.map((each) => pair(each['key_alias'], each['token'])).toSorted());
      for (const { key } of given) {
        const { status } = await fetch(`${team.baseUrl}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
        expect(status).toBe(200);
      }
    }

    async function expectNothingToDo(home: CliHome): Promise<number> {
      const rows = (): Promise<string[]> =>
        team.database.sql(
          `SELECT token, updated_at::text FROM "LiteLLM_VerificationToken" UNION ALL
           SELECT user_id, updated_at::text FROM "LiteLLM_UserTable" UNION ALL
           SELECT team_id, updated_at::text FROM "LiteLLM_TeamTable" ORDER BY 1`,
        );
      const before = await rows();
      const { code, stdout, stderr, seconds } = await timed(home);
      expect({ code, stdout, stderr }).toEqual({
        code: 0,
        stdout: 'nothing to do: the proxy has what the file says\n',
        stderr: '',
      });
      expect(await rows()).toEqual(before);
      return seconds;
    }

    test(
      'is made in one run, and the second changes nothing',
      async () => {
        const own = admin('once');
        const first = await timed(own.home);
        expect(first).toMatchObject({ code: 0 });
        await expectAll(own);
        const second = await expectNothingToDo(own.home);
        process.stderr.write(`${people} people: made in ${first.seconds} s, looked at again in ${second} s\n`);
      },
      20 * minutes,
    );

    test(
      'killed at any moment, again and again, is brought to its end by the next',
      async () => {
        const random = randomFrom(seed);
        const way = await startWay(team.baseUrl);
        closers.push(() => way.close());
        const own = admin('killed', way.baseUrl);
        const handed = (): number =>
          existsSync(own.home.at('new.jsonl'))
            ? readFileSync(own.home.at('new.jsonl'), 'utf8').split('\n').length - 1
            : 0;
        // A user, a key, and some for memberships: all of the kills together fall into the work for everybody.
        const most = (2 * 2.1 * people) / kills;
        const found: number[] = [];
        for (let kill = 1; kill <= kills; kill += 1) {
          const run = own.home.start(args);
          let left = 1 + Math.floor(random() * most);
          way.onPost = () => {
            left -= 1;
            if (left === 0) run.process.kill('SIGKILL');
            return null;
          };
          await run.result;
          found.push(handed());
        }
        way.onPost = () => null;
        const last = await timed(own.home);
        expect({ code: last.code, seed, stderr: last.stderr }).toMatchObject({ code: 0 });
        await expectAll(own);
        const third = await expectNothingToDo(own.home);
        process.stderr.write(
          `${people} people, killed ${kills} times (seed ${seed}), with ${found.join(' ')} keys handed over; ` +
            `the rest in ${last.seconds} s, looked at again in ${third} s\n`,
        );
      },
      30 * minutes,
    );

    test(
      'over a way that loses questions and answers comes to its end in a few runs, and nothing is made twice',
      async () => {
        const random = randomFrom(seed);
        const way = await startWay(team.baseUrl);
        closers.push(() => way.close());
        const own = admin('faulty', way.baseUrl);
        // Of what changes something a fifth fails, half of that after the proxy has done it.
        way.onPost = () =>
          (['refuse', 'reset', 'refuse after', 'reset after'] as const)[Math.floor(random() * 20)] ?? null;
        const codes: (number | null)[] = [];
        do {
          const { code, stdout, stderr } = await own.home.run(args);
          codes.push(code);
          // The run before may have lost nothing but the answer to its last question: then there is nothing left to do.
          const end = code === 0 ? /(?:done|nothing to do): / : /run it again: cllm admin apply people\.yaml/;
          expect({ seed, code, said: stdout + stderr }).toMatchObject({ said: expect.stringMatching(end) });
        } while (codes.at(-1) !== 0 && codes.length < 20);
        way.onPost = () => null;
        process.stderr.write(
          `${people} people over a faulty way (seed ${seed}): runs ended with ${codes.join(', ')}\n`,
        );
        expect(codes.at(-1)).toBe(0);
        await expectAll(own);
        await expectNothingToDo(own.home);
      },
      30 * minutes,
    );
  });
});

interface Admin {
  home: CliHome;
  set: string;
  teams: readonly string[];
  people: readonly { id: string; teams: readonly string[] }[];
  /** The team of each key, by alias. */
  keys: ReadonlyMap<string, string>;
}

type Fault = 'refuse' | 'reset' | 'refuse after' | 'reset after';

interface Way {
  baseUrl: string;
  /** Told of each question that changes something; says what becomes of it. */
  onPost: () => Fault | null;
  close(): Promise<void>;
}

/** Between cllm and the proxy. */
async function startWay(target: string): Promise<Way> {
  const refuse = (response: ServerResponse): void => {
    response
      .writeHead(500, { 'content-type': 'application/json' })
      .end('{"error":{"message":"Internal Server Error"}}');
  };
  const way: Way = { baseUrl: '', onPost: () => null, close: async () => {} };
  const server = createServer((request, response) => {
    const fault = request.method === 'POST' ? way.onPost() : null;
    if (fault === 'refuse') return refuse(response);
    if (fault === 'reset') return void request.socket.destroy();
    const onward = send(
      `${target}${request.url ?? ''}`,
      { method: request.method, headers: request.headers },
      (came) => {
        if (fault === 'refuse after') return void came.resume().on('end', () => refuse(response));
        if (fault === 'reset after') return void came.resume().on('end', () => request.socket.destroy());
        response.writeHead(came.statusCode ?? 502, came.headers);
        came.pipe(response);
      },
    );
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  way.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  way.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return way;
}
