import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { describeLitellm } from '../support/litellm.ts';
import { bufferingConfig, startNginx } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';
import { eventually, startTeam, type Team } from '../support/team.ts';

const page = readFileSync(new URL('../../docs/team-proxy.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```sh( docker)?\n(.*?)^```$/gms)].map(([, mark, text]) => ({
  needsDocker: mark !== undefined,
  text: text ?? '',
}));

test('what needs Docker on the page of the team’s proxy is docker, and nothing else', () => {
  const lines = blocks.filter(({ needsDocker }) => needsDocker).flatMap(({ text }) => text.trim().split('\n'));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/^docker compose /);
});

describeLitellm("the team's proxy", () => {
  describeWithPrograms(
    'nginx',
    'redis-server',
    'psql',
  )('two replicas with a database, behind nginx', () => {
    const opened: { close(): Promise<void> }[] = [];
    const homes: CliHome[] = [];
    /** Who walks the page: its secrets are those of the proxy. */
    let walker: CliHome;
    let team: Team;

    beforeAll(async () => {
      walker = new CliHome({ LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: undefined });
      const [secrets] = blocks;
      const made = await walker.shell(`set -euo pipefail\n${secrets?.text ?? ''}`);
      if (made.code !== 0) throw new Error(made.stderr);
      const environment = readFileSync(walker.at('.env'), 'utf8');
      const masterKey = /^LITELLM_MASTER_KEY=(sk-[0-9a-f]{48})$/m.exec(environment)?.[1] ?? '';
      team = await startTeam(masterKey);
    }, 600_000);

    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
      for (const each of homes.splice(0)) each.close();
    });

    afterAll(async () => {
      walker?.close();
      await team?.close();
    }, 60_000);

    function client(baseUrl: string, apiKey: string): LiteLLMClient {
      const made = new LiteLLMClient({ baseUrl, apiKey, retries: 0, firstTokenTimeout: 30 });
      opened.push(made);
      return made;
    }

    const ask = (baseUrl: string, apiKey: string) =>
      client(baseUrl, apiKey).stream({ model: 'gpt', messages: 'Hello' }).result();

    /** Somebody with this key, who asks through nginx unless a replica is named. */
    function user(
      key: string,
      baseUrl = team.baseUrl,
    ): (args: string[], env?: Record<string, string>) => Promise<CliResult> {
      const home = new CliHome({ LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: key, CLLM_MODEL: 'hello' });
      homes.push(home);
      return (args, env = {}) => home.run(args, { env });
    }

    const name = (word: string): string => `${word}-${randomBytes(4).toString('hex')}`;

    test('every command of the page that needs no Docker works on it', async () => {
      const script = blocks
        .slice(1)
        .filter(({ needsDocker }) => !needsDocker)
        .map(({ text }) => text.replaceAll('http://localhost:4000', team.baseUrl))
        .join('\n');
      const { code, stdout, stderr } = await walker.shell(`set -euo pipefail\n${script}`);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const environment = readFileSync(walker.at('.env'), 'utf8');
      expect(environment).toMatch(/^DATABASE_URL=postgresql:\/\/litellm:[0-9a-f]{48}@postgres:5432\/litellm$/m);
      expect(stdout).toContain('Hello from the proxy.');
      expect(stdout).toMatch(/^alias\tci$/m);
      expect(stdout).toMatch(/^budget\t\$5\.00/m);
      // CI's question is in the proxy's log, with CI's own key.
      await eventually(async () => {
        const asked = `SELECT count(*) FROM "LiteLLM_SpendLogs" WHERE metadata->>'user_api_key_alias' = 'ci'`;
        expect(await team.database.sql(asked)).toEqual(['1']);
      });
    });

    describe('people from a file', () => {
      /** The proxy is everybody's here: each test has a set of its own. */
      function admin(): CliHome {
        const home = new CliHome({ LITELLM_PROXY_URL: team.baseUrl, LITELLM_PROXY_API_KEY: team.masterKey });
        homes.push(home);
        return home;
      }
      const lines = (home: CliHome): { alias: string; key: string }[] =>
        readFileSync(home.at('new.jsonl'), 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { alias: string; key: string });
      const apply = ['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes'];

      test('are made once, whenever the run that makes them is killed, and their limits hold', async () => {
        const home = admin();
        const [set, one, two] = [name('set'), name('team'), name('team')];
        const ids = Array.from({ length: 10 }, (_, at) => `${set}-${at}`);
        const people = ids.map(
          (id, at) => `  ${id}: { email: ${id}@example.com, team: ${at === 0 ? `[${one}, ${two}]` : one} }`,
        );
        writeFileSync(
          home.at('people.yaml'),
          [
            `set: ${set}`,
            'each: { models: [hello], max_budget: 5, budget_duration: 30d }',
            `teams: { ${one}: { max_budget: 200, budget_duration: 30d }, ${two}: }`,
            'people:',
            ...people,
            `keys: { ${set}-ci: { team: ${one}, rpm_limit: 60, duration: 90d } }`,
          ].join('\n'),
        );
        for (const moment of ['new.jsonl', 'halfway']) {
          const run = home.start(apply);
          const isThere = (): boolean =>
            existsSync(home.at('new.jsonl')) && (moment === 'new.jsonl' || lines(home).length > 5);
          while (!isThere() && run.process.exitCode === null) await wait(10);
          run.process.kill('SIGKILL');
          await run.result;
        }
        expect(await home.run(apply)).toMatchObject({ code: 0 });
        const before = await team.database.sql(
          `SELECT token, updated_at FROM "LiteLLM_VerificationToken" ORDER BY token`,
        );
        expect(await home.run(apply)).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') });
        expect(
          await team.database.sql(`SELECT token, updated_at FROM "LiteLLM_VerificationToken" ORDER BY token`),
        ).toEqual(before);
        const given = lines(home);
        expect(given.map(({ alias }) => alias).toSorted()).toEqual(
          [`${ids[0] ?? ''}/${one}`, `${ids[0] ?? ''}/${two}`, ...ids.slice(1), `${set}-ci`].toSorted(),
        );
        for (const { alias, key } of given) {
          const known = await user(key)(['whoami', '--json']);
          expect(JSON.parse(known.stdout)).toMatchObject({ alias });
        }
        const [ci] = JSON.parse(
          (await home.run(['admin', 'keys', 'list', '--team', one, '--json'])).stdout,
        ) as object[];
        expect(ci).toMatchObject({ alias: `${set}-0/${one}`, max_budget: 5, budget_duration: '30d', state: 'open' });
      });

      test('who left is refused by both replicas, and asks again once they are back; a rotated key as well', async () => {
        const home = admin();
        const [set, ads] = [name('set'), name('ads')];
        const write = (...ids: string[]): void =>
          writeFileSync(
            home.at('people.yaml'),
            `set: ${set}\nteams: { ${ads}: }\npeople:\n${ids.map((id) => `  ${set}-${id}: { team: ${ads} }\n`).join('')}`,
          );
        write('ann', 'bob');
        expect(await home.run(apply)).toMatchObject({ code: 0 });
        const key = lines(home).find(({ alias }) => alias === `${set}-bob`)?.key ?? '';
        const asked = (used: string): Promise<CliResult[]> =>
          Promise.all(team.replicas.map(({ baseUrl }) => user(used, baseUrl)(['hi'])));
        expect(await asked(key)).toMatchObject([{ code: 0 }, { code: 0 }]);
        write('ann');
        expect(await home.run(apply)).toMatchObject({ code: 0, stdout: expect.stringContaining(`${set}-bob`) });
        await eventually(async () => expect(await asked(key)).toMatchObject([{ code: 4 }, { code: 4 }]));
        write('ann', 'bob');
        expect(await home.run(apply)).toMatchObject({ code: 0 });
        await eventually(async () => expect(await asked(key)).toMatchObject([{ code: 0 }, { code: 0 }]));
        expect(await home.run(['admin', 'keys', 'rotate', `${set}-bob`, '-o', 'new.jsonl'])).toMatchObject({ code: 0 });
        await eventually(async () => expect(await asked(key)).toMatchObject([{ code: 4 }, { code: 4 }]));
        expect(await asked(lines(home).at(-1)?.key ?? '')).toMatchObject([{ code: 0 }, { code: 0 }]);
        expect(await home.run(apply)).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') });
      });
    });

    describe('its replicas', () => {
      test('are both asked by nginx', async () => {
        const key = await team.key({});
        const answers = await Promise.all([1, 2, 3, 4].map(() => ask(team.baseUrl, key)));
        expect(answers.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 4 }, () => 'complete'));
        const logs = team.replicas.map(({ logFile }) => readFileSync(logFile, 'utf8'));
        expect(logs.map((log) => log.includes('POST /v1/chat/completions'))).toEqual([true, true]);
      });

      test('count a rate limit together: what one let through, the other counts', async () => {
        const key = await team.key({ rpm_limit: 3 });
        const [first = '', second = ''] = team.replicas.map(({ baseUrl }) => baseUrl);
        // All within one minute, which is LiteLLM's window from the first of them on.
        for (let asked = 0; asked < 3; asked += 1) expect((await ask(first, key)).error).toBeNull();
        for (const baseUrl of [second, team.baseUrl, first]) {
          expect((await ask(baseUrl, key)).error).toMatchObject({ code: 'rate_limited', status: 429 });
        }
        expect(await user(key)(['--retries', '0', 'hi'])).toMatchObject({ code: 6 });
      });

      test('hold a budget together', async () => {
        const key = await team.key({ key_alias: name('shared'), max_budget: 0.01 });
        const [first = '', second = ''] = team.replicas.map(({ baseUrl }) => baseUrl);
        expect(await user(key, first)(['-m', 'dear', 'hi'])).toMatchObject({ code: 0 });
        await eventually(async () => {
          expect(await user(key, second)(['hi'])).toMatchObject({ code: 7 });
        });
      });

      test('refuse a blocked key, both of them', async () => {
        const key = await team.key({ key_alias: name('left') });
        expect(await user(key)(['hi'])).toMatchObject({ code: 0 });
        await team.admin('key/block', { key });
        for (const { baseUrl } of team.replicas) {
          await eventually(async () => {
            const { code, stderr } = await user(key, baseUrl)(['hi']);
            expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining('blocked') });
          });
        }
      });
    });

    test('a stream passes nginx as it is made: what came before a stall is here', async () => {
      const stream = client(team.baseUrl, team.masterKey).stream({
        model: 'gpt',
        messages: '[text pieces=6 stall=3] Hello',
      });
      let text = '';
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        if (text.includes('the ')) break;
      }
      expect(text).toBe('Hello from the ');
    });

    test('an nginx that buffers holds the same stream back', async () => {
      const buffering = await startNginx((port) => bufferingConfig(team.replicas[0]?.port ?? 0, port));
      opened.push(buffering);
      const impatient = new LiteLLMClient({
        baseUrl: buffering.baseUrl,
        apiKey: team.masterKey,
        retries: 0,
        firstTokenTimeout: 3,
      });
      opened.push(impatient);
      const { error } = await impatient.stream({ model: 'gpt', messages: '[text pieces=6 stall=3] Hello' }).result();
      expect(error?.code).toBe('first_token_timeout');
    });

    describe('a used-up budget', () => {
      /** Each gives a key that one dear call ends, and what the refusal calls whose budget it is. */
      const owners: [
        string,
        () => Promise<{ key: string; said: string; env?: Record<string, string>; args?: string[] }>,
      ][] = [
        [
          'key',
          async () => {
            const alias = name('key');
            return {
              key: await team.key({
                key_alias: alias,
                max_budget: 0.01,
                budget_duration: '1d',
                models: ['hello', 'dear'],
              }),
              said: `the key ${alias}`,
            };
          },
        ],
        [
          'team',
          async () => {
            const alias = name('team');
            const { team_id: id } = await team.admin('team/new', {
              team_alias: alias,
              max_budget: 0.01,
              budget_duration: '30d',
            });
            return { key: await team.key({ team_id: id }), said: `the team ${alias}` };
          },
        ],
        [
          'user',
          async () => {
            const id = name('user');
            await team.admin('user/new', { user_id: id, max_budget: 0.01, auto_create_key: false });
            return { key: await team.key({ user_id: id }), said: `the user ${id}` };
          },
        ],
        [
          'team member',
          async () => {
            const id = name('member');
            await team.admin('user/new', { user_id: id, auto_create_key: false });
            const { team_id: teamId } = await team.admin('team/new', { team_alias: name('team') });
            const member = { role: 'user', user_id: id };
            await team.admin('team/member_add', { team_id: teamId, member, max_budget_in_team: 0.01 });
            return {
              key: await team.key({ team_id: teamId, user_id: id, models: ['hello', 'dear'] }),
              said: `the team member ${id}`,
            };
          },
        ],
        [
          'tag',
          async () => {
            const tag = name('tag');
            await team.admin('tag/new', { name: tag, max_budget: 0.01 });
            return { key: await team.key({ key_alias: name('tagged') }), said: `the tag ${tag}`, args: ['--tag', tag] };
          },
        ],
      ];

      test.each(owners)('of a %s is said with its owner, and nothing is begun with it', async (owner, make) => {
        const { key, said, args = [] } = await make();
        const cllm = user(key);
        expect(await cllm([...args, '-m', 'dear', 'hi'])).toMatchObject({ code: 0 });
        await eventually(async () => {
          const { code, stderr } = await cllm([...args, 'hi']);
          expect({ code, stderr }).toEqual({ code: 7, stderr: expect.stringContaining(said) });
        });
        const known = await cllm(['whoami', '--json']);
        expect(known).toMatchObject({ code: 0 });
        const { budgets } = JSON.parse(known.stdout) as { budgets: { owner: string; max: number }[] };
        // Before a question names its tag nobody knows which tag's budget will bind.
        const isKnown = owner !== 'tag';
        expect(budgets.slice(0, 1)).toMatchObject(isKnown ? [{ owner, max: 0.01 }] : []);
      });

      test('of a key still lets the models be listed that it names, and a login be made with it', async () => {
        const key = await team.key({ max_budget: 0.01, models: ['hello', 'dear'] });
        const cllm = user(key);
        expect(await cllm(['-m', 'dear', 'hi'])).toMatchObject({ code: 0 });
        await eventually(async () => {
          expect(await cllm(['hi'])).toMatchObject({ code: 7 });
        });
        expect(await cllm(['models'])).toMatchObject({ code: 0, stdout: expect.stringContaining('hello') });
        const home = new CliHome({ LITELLM_PROXY_API_KEY: undefined });
        homes.push(home);
        const login = await home.run(['login', '--base-url', team.baseUrl], { stdin: key });
        expect(login).toMatchObject({ code: 0, stderr: expect.stringContaining('used up') });
      });
    });

    test('a batch says whose budget ended it, and asks nothing once a budget that binds its key is used up', async () => {
      const id = name('user');
      await team.admin('user/new', { user_id: id, max_budget: 0.2, auto_create_key: false });
      const key = await team.key({ user_id: id });
      const home = new CliHome({ LITELLM_PROXY_URL: team.baseUrl, LITELLM_PROXY_API_KEY: key, CLLM_MODEL: 'dear' });
      homes.push(home);
      await home.shell(`for n in $(seq 30); do echo "$n"; done > in.txt`);
      const onTheWay = await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '--concurrency', '1']);
      expect(onTheWay).toMatchObject({
        code: 7,
        stderr: expect.stringContaining(`it is the budget of the user ${id}`),
      });
      const replies = () =>
        readFileSync(home.at('out.jsonl'), 'utf8')
          .split('\n')
          .filter((line) => line.includes('"is_error":false'));
      const asked = replies();
      // What was spent is in the database a little later than in the proxy's own count.
      await eventually(async () => {
        const { stdout } = await home.run(['whoami', '--json']);
        const [budget] = (JSON.parse(stdout) as { budgets: { spend: number }[] }).budgets;
        expect(budget?.spend).toBeGreaterThan(0.2);
      });
      const before = await home.run(['batch', 'in.txt', '-o', 'out.jsonl']);
      expect(before).toMatchObject({ code: 7, stderr: expect.stringContaining(`user ${id}`) });
      expect(before.stderr).not.toContain('asked');
      expect(replies()).toEqual(asked);
    });

    describe('a key', () => {
      test('that expired, was deleted or may not use the model is exit 4, with the reason', async () => {
        const expired = await team.key({ duration: '1s' });
        const deleted = await team.key({});
        await team.admin('key/delete', { keys: [deleted] });
        const narrow = await team.key({ models: ['gpt'] });
        expect(await user(narrow)(['hi'])).toMatchObject({ code: 4, stderr: expect.stringContaining('hello') });
        expect(await user(deleted)(['hi'])).toMatchObject({ code: 4 });
        await eventually(async () => {
          const { code, stderr } = await user(expired)(['hi']);
          expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/expired/i) });
        });
      });

      test('with four places at a time asks a batch in about the time that four places take', async () => {
        const key = await team.key({ key_alias: name('places'), max_parallel_requests: 4 });
        const home = new CliHome({ LITELLM_PROXY_URL: team.baseUrl, LITELLM_PROXY_API_KEY: key, CLLM_MODEL: 'gpt' });
        homes.push(home);
        const { code, stderr } = await home.shell(
          `for n in $(seq 24); do echo "[text delay=300] $n"; done > in.txt; cllm batch in.txt -o out.jsonl -q`,
        );
        expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('4 at a time') });
        const results = readFileSync(home.at('out.jsonl'), 'utf8').trimEnd().split('\n');
        const ended = results.map((line) => JSON.parse(line) as { is_error: boolean; timestamp: string });
        expect(ended.map(({ is_error: isError }) => isError)).toEqual(Array(24).fill(false));
        // A minute for each refusal, as the proxy's retry-after wants it, would be there at once.
        const times = ended.map(({ timestamp }) => Date.parse(timestamp));
        expect(Math.max(...times) - Math.min(...times)).toBeLessThan(30_000);
      });
    });

    test("a CI job's calls are in the spend log with its tags, its metadata and the job as their session", async () => {
      const run = name('run');
      const job = {
        CI: 'true',
        GITHUB_ACTIONS: 'true',
        GITHUB_REPOSITORY: 'octo/cat',
        GITHUB_WORKFLOW: 'nightly',
        GITHUB_JOB: 'ask',
        GITHUB_RUN_ID: run,
        GITHUB_ACTOR: 'mona',
      };
      const cllm = user(await team.key({ key_alias: name('ci') }));
      for (const words of ['one', 'two']) expect(await cllm([words], job)).toMatchObject({ code: 0 });
      const session = `github-actions:octo/cat:${run}:ask`;
      await eventually(async () => {
        const rows = await team.database.sql(
          `SELECT request_tags, metadata->'spend_logs_metadata'->>'ci_actor' FROM "LiteLLM_SpendLogs" WHERE session_id = '${session}'`,
        );
        expect(rows).toHaveLength(2);
        for (const row of rows) {
          const [tags, actor] = row.split('|');
          const given = (JSON.parse(tags ?? '') as string[]).filter((tag) => !tag.startsWith('User-Agent'));
          expect(given).toEqual(['ci:github-actions', 'repo:octo/cat', 'workflow:nightly', 'job:ask']);
          expect(actor).toBe('mona');
        }
      });
    });

    describe('what was spent', () => {
      const json = async (
        cllm: (args: string[], env?: Record<string, string>) => Promise<CliResult>,
        ...args: string[]
      ) => {
        const { code, stdout, stderr } = await cllm(['spend', '--json', ...args]);
        if (code !== 0) throw new Error(stderr);
        return JSON.parse(stdout) as {
          rows: { name: string | null; spend_usd: number; requests: number }[];
          total: { spend_usd: number; requests: number } | null;
        };
      };

      test('is what the replies said, by day, model, key, user, team, tag and conversation; a plain key sees its own', async () => {
        const [id, alias, teamAlias, tag] = [name('ann'), name('key'), name('team'), name('tag')];
        await team.admin('user/new', { user_id: id, user_email: `${id}@example.com`, auto_create_key: false });
        const { team_id: teamId } = await team.admin('team/new', { team_alias: teamAlias });
        await team.admin('team/member_add', { team_id: teamId, member: { role: 'user', user_id: id } });
        const ann = user(await team.key({ user_id: id, team_id: teamId, key_alias: alias }));
        const replies: { total_cost_usd: number; session_id: string; call_id: string }[] = [];
        for (const model of ['gpt', 'dear', 'dear']) {
          const { stdout } = await ann(['-m', model, '--tag', tag, '--output-format', 'json', 'hi']);
          replies.push(JSON.parse(stdout));
        }
        const sum = replies.reduce((all, { total_cost_usd: cost }) => all + cost, 0);
        const total = { spend_usd: expect.closeTo(sum, 9), requests: 3 };
        await eventually(async () => expect((await json(ann)).total).toMatchObject(total));
        expect((await json(ann, '--by', 'model')).rows).toMatchObject([
          { name: 'dear', requests: 2 },
          { name: 'gpt', requests: 1 },
        ]);
        expect((await json(ann, '--by', 'key')).rows).toMatchObject([{ name: alias, ...total }]);
        expect((await json(ann, '--by', 'user')).rows).toMatchObject([{ name: `${id}@example.com`, ...total }]);
        expect((await json(ann, '--by', 'team')).rows).toMatchObject([{ name: teamAlias, ...total }]);
        await eventually(async () => {
          expect((await json(ann, '--by', 'tag')).rows).toContainEqual(
            expect.objectContaining({ name: tag, ...total }),
          );
          expect((await json(ann, '--tag', tag, '--by', 'key')).rows).toMatchObject([{ name: alias, ...total }]);
          const conversations = (await json(ann, '--by', 'conversation')).rows;
          expect(new Set(conversations.map((row) => row.name))).toEqual(
            new Set(replies.map((reply) => reply.session_id)),
          );
        });
        const [, dear] = replies;
        const why = await ann(['spend', 'why', dear?.call_id ?? '', '--json']);
        expect(JSON.parse(why.stdout)).toMatchObject({
          model: 'dear',
          key: alias,
          team: teamAlias,
          user: id,
          spend: dear?.total_cost_usd,
          tags: expect.arrayContaining([tag]),
        });

        // Somebody else sees nothing of it, an admin all.
        const other = name('eve');
        await team.admin('user/new', { user_id: other, auto_create_key: false });
        const eve = user(await team.key({ user_id: other }));
        expect((await json(eve)).rows).toEqual([]);
        expect(await eve(['spend', 'why', dear?.call_id ?? ''])).toMatchObject({ code: 1 });
        const admin = user(team.masterKey);
        expect((await json(admin, '--by', 'user')).rows).toContainEqual(
          expect.objectContaining({ name: `${id}@example.com`, ...total }),
        );
        // What this machine's history tells is the same sum.
        expect((await json(ann, '--local')).total).toMatchObject(total);
      });

      test('by a CI job is summed by --run, and its key is told why it sees no more', async () => {
        const job = {
          CI: 'true',
          GITHUB_ACTIONS: 'true',
          GITHUB_REPOSITORY: 'octo/cat',
          GITHUB_JOB: 'ask',
          GITHUB_RUN_ID: name('run'),
        };
        const id = name('bot');
        await team.admin('user/new', { user_id: id, auto_create_key: false });
        const bot = user(await team.key({ user_id: id }));
        for (const words of ['one', 'two']) expect(await bot(['-m', 'dear', words], job)).toMatchObject({ code: 0 });
        expect(await bot(['-m', 'dear', 'of no job'])).toMatchObject({ code: 0 });
        const { code, stdout, stderr } = await bot(['spend', '--run'], job);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toContain('| dear | $0.52 | 2 | 0 |');

        const service = user(await team.key({ key_alias: name('ci') }));
        expect(await service(['-m', 'dear', 'hi'], job)).toMatchObject({ code: 0 });
        expect(await service(['spend'])).toMatchObject({
          code: 4,
          stderr: expect.stringContaining('belongs to no user'),
        });
        const own = await service(['spend', '--run'], job);
        expect(own).toMatchObject({ code: 0, stdout: expect.stringContaining('| dear | $0.26 | 1 |') });
        expect(own.stderr).toContain('what the history of this machine tells');
      });
    });

    test('the turns of a conversation are one session there', async () => {
      const cllm = user(await team.key({}));
      const first = JSON.parse((await cllm(['--output-format', 'json', 'one'])).stdout) as Record<string, string>;
      await cllm(['-c', 'two']);
      await eventually(async () => {
        const asked = `SELECT count(*) FROM "LiteLLM_SpendLogs" WHERE session_id = '${first['conversation_id']}'`;
        expect(await team.database.sql(asked)).toEqual(['2']);
      });
    });
  });
});
