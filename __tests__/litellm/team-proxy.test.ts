import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { LiteLLMClient } from '../../src/client/client.ts';
import type { RunningProxy } from '../../src/local-proxy/run.ts';
import { describeLitellm, providersUrlForProxy, startLitellm } from '../support/litellm.ts';
import { fakeProviderModels } from '../support/litellm-overlay.ts';
import { bufferingConfig, repositoryConfig, startNginx, startRedis, type Server } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { CliHome } from '../support/run-cli.ts';

/**
 * Virtual keys without PostgreSQL: what the database would say of a key stands here, the limiter and the errors are
 * LiteLLM's own.
 */
const customAuth = `
import os
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.auth import auth_checks as checks

KEYS = {
    os.environ["LITELLM_MASTER_KEY"]: {"user_role": "proxy_admin"},
    "sk-good": {"key_alias": "ann"},
    "sk-limited": {"key_alias": "ci", "rpm_limit": 3},
    "sk-broke": {"key_alias": "ci", "spend": 2.0, "max_budget": 1.0},
}

async def user_api_key_auth(request, api_key):
    from litellm.proxy import proxy_server as p
    if api_key not in KEYS:
        raise Exception("unknown key")
    key = UserAPIKeyAuth(api_key=api_key, token=api_key, **KEYS[api_key])
    if request.url.path.endswith("/completions"):
        await checks._virtual_key_max_budget_check(valid_token=key, proxy_logging_obj=p.proxy_logging_obj, user_obj=None)
    return key
`;

function config(): string {
  const { openai } = fakeProviderModels(providersUrlForProxy());
  const proxy = {
    model_list: [{ model_name: 'gpt', litellm_params: openai }],
    router_settings: { num_retries: 0 },
    general_settings: { master_key: 'os.environ/LITELLM_MASTER_KEY', custom_auth: 'custom_auth.user_api_key_auth' },
  };
  // A container is handed the variables that the file names.
  return `# os.environ/REDIS_HOST os.environ/REDIS_PORT, as docker-compose.yml hands them on\n${stringify(proxy)}`;
}

describeLitellm("the team's proxy", () => {
  describeWithPrograms('nginx', 'redis-server')('two replicas behind nginx', () => {
    const opened: { close(): Promise<void> }[] = [];
    let replicas: RunningProxy[] = [];
    let redis: Server;
    let nginx: Server;

    beforeAll(async () => {
      redis = await startRedis();
      const own = {
        config: config(),
        files: { 'custom_auth.py': customAuth },
        environment: { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) },
      };
      replicas = await Promise.all([startLitellm(own), startLitellm(own)]);
      nginx = await startNginx((port) =>
        repositoryConfig(
          replicas.map((replica) => replica.port),
          port,
        ),
      );
    }, 300_000);

    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
    });

    afterAll(async () => {
      await nginx?.close();
      await Promise.all(replicas.map((replica) => replica.stop()));
      await redis?.close();
    }, 60_000);

    function client(baseUrl: string, apiKey: string): LiteLLMClient {
      const made = new LiteLLMClient({ baseUrl, apiKey, retries: 0, firstTokenTimeout: 30 });
      opened.push(made);
      return made;
    }

    const ask = (baseUrl: string, apiKey: string) =>
      client(baseUrl, apiKey).stream({ model: 'gpt', messages: 'Hello' }).result();

    test('nginx asks both', async () => {
      const answers = await Promise.all([1, 2, 3, 4].map(() => ask(nginx.baseUrl, 'sk-good')));
      expect(answers.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 4 }, () => 'complete'));
      const logs = replicas.map(({ logFile }) => readFileSync(logFile, 'utf8'));
      expect(logs.map((log) => log.includes('POST /v1/chat/completions'))).toEqual([true, true]);
    });

    test('a rate limit holds over both of them: what one replica let through, the other counts', async () => {
      const [first = '', second = ''] = replicas.map(({ baseUrl }) => baseUrl);
      // All within one minute, which is LiteLLM's window from the first of them on.
      for (let asked = 0; asked < 3; asked += 1) expect((await ask(first, 'sk-limited')).error).toBeNull();
      for (const baseUrl of [second, nginx.baseUrl, first]) {
        expect((await ask(baseUrl, 'sk-limited')).error).toMatchObject({ code: 'rate_limited', status: 429 });
      }
    });

    test('a stream passes nginx as it is made: what came before a stall is here', async () => {
      const stream = client(nginx.baseUrl, 'sk-good').stream({
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
      const buffering = await startNginx((port) => bufferingConfig(replicas[0]?.port ?? 0, port));
      opened.push(buffering);
      const impatient = new LiteLLMClient({
        baseUrl: buffering.baseUrl,
        apiKey: 'sk-good',
        retries: 0,
        firstTokenTimeout: 3,
      });
      opened.push(impatient);
      const { error } = await impatient.stream({ model: 'gpt', messages: '[text pieces=6 stall=3] Hello' }).result();
      expect(error?.code).toBe('first_token_timeout');
    });

    test("the built command says whose budget is used up, and what a key's limits are", async () => {
      const home = new CliHome({ LITELLM_PROXY_URL: nginx.baseUrl, CLLM_MODEL: 'gpt' });
      try {
        const broke = await home.run(['hi'], { env: { LITELLM_PROXY_API_KEY: 'sk-broke' } });
        expect(broke).toMatchObject({ code: 7, stderr: expect.stringContaining('it is the budget of the key ci') });
        const known = await home.run(['whoami', '--json'], { env: { LITELLM_PROXY_API_KEY: 'sk-good' } });
        expect(JSON.parse(known.stdout)).toMatchObject({
          models: ['gpt'],
          gap: expect.stringContaining('no database'),
        });
      } finally {
        home.close();
      }
    });
  });
});
