import { setTimeout as wait } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { RunningProxy } from '../../src/local-proxy/run.ts';
import { litellmInstallation, providersUrlForProxy, startLitellm } from './litellm.ts';
import { fakeProviderModels } from './litellm-overlay.ts';
import { repositoryConfig, startNginx, startRedis, type Server } from './nginx.ts';
import { startTeamDatabase, type TeamDatabase } from './team-database.ts';

/** A team's proxy as docs/team-proxy.md has it: two replicas behind nginx, with PostgreSQL and Redis. */
export interface Team {
  /** nginx, in front of both. */
  baseUrl: string;
  replicas: readonly RunningProxy[];
  masterKey: string;
  database: TeamDatabase;
  /** Asks an admin route, with the master key; a GET without a body. */
  admin(path: string, body?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** A key, with what it is allowed. */
  key(facts: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

/** Prices that end a budget with a call, and none at all. */
function config(settings: Record<string, unknown>, environment: readonly string[]): string {
  const { openai } = fakeProviderModels(providersUrlForProxy());
  const price = { input_cost_per_token: 0.01, output_cost_per_token: 0.02 };
  const proxy = {
    model_list: [
      {
        model_name: 'hello',
        litellm_params: { model: 'openai/hello', api_key: 'none', mock_response: 'Hello from the proxy.' },
      },
      { model_name: 'gpt', litellm_params: openai },
      { model_name: 'claude', litellm_params: openai },
      { model_name: 'dear', litellm_params: { ...openai, model: 'openai/dear', ...price }, model_info: price },
    ],
    router_settings: { num_retries: 0, disable_cooldowns: true },
    general_settings: {
      master_key: 'os.environ/LITELLM_MASTER_KEY',
      // Seconds between two writes of what was spent.
      proxy_batch_write_at: 1,
      ...settings,
    },
  };
  // LiteLLM is handed the variables that the file names.
  const named = [
    'DATABASE_URL',
    'DISABLE_SCHEMA_UPDATE',
    'LITELLM_SALT_KEY',
    'PRISMA_QUERY_ENGINE_BINARY',
    'PRISMA_HIDE_UPDATE_MESSAGE',
    'REDIS_HOST',
    'REDIS_PORT',
    ...environment,
  ].map((name) => `# os.environ/${name}\n`);
  return `${named.join('')}${stringify(proxy)}`;
}

/** The caller closes it. */
export async function startTeam(
  masterKey: string,
  {
    replicas: count = 2,
    settings = {},
    environment = {},
  }: { replicas?: number; settings?: Record<string, unknown>; environment?: Record<string, string> } = {},
): Promise<Team> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).toReversed()) await each();
  };
  try {
    const database = await startTeamDatabase(litellmInstallation());
    closers.push(() => database.close());
    const redis = await startRedis();
    closers.push(() => redis.close());
    const own = {
      config: config(settings, Object.keys(environment)),
      masterKey,
      installation: database.installation,
      environment: { ...environment, ...database.environment, REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) },
    };
    const started = await Promise.allSettled(Array.from({ length: count }, () => startLitellm(own)));
    const replicas = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    closers.push(async () => void (await Promise.all(replicas.map((replica) => replica.stop()))));
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    const nginx: Server = await startNginx((port) =>
      repositoryConfig(
        replicas.map((replica) => replica.port),
        port,
      ),
    );
    closers.push(() => nginx.close());
    const admin = async (path: string, body?: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const response = await fetch(`${nginx.baseUrl}/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return JSON.parse(text) as Record<string, unknown>;
    };
    return {
      baseUrl: nginx.baseUrl,
      replicas,
      masterKey,
      database,
      admin,
      key: async (facts) => String((await admin('key/generate', facts))['key']),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Tries until it holds: what was spent is written a second later. @throws what it threw last, after half a minute */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 60; ; tries -= 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 0) throw error;
      await wait(500);
    }
  }
}
