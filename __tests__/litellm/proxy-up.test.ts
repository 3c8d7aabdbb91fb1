import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { isAlive } from '../../src/local-proxy/machine.ts';
import { adoptInstallation } from '../support/adopt-installation.ts';
import { describeLitellm } from '../support/litellm.ts';
import { testMachine } from '../support/litellm-environment.ts';
import { CliHome } from '../support/run-cli.ts';

/** Two starts of LiteLLM on two busy cores. */
const patience = 240_000;

describeLitellm('cllm proxy', () => {
  let home: CliHome;
  let port: string;

  beforeAll(async () => {
    home = new CliHome({
      LITELLM_PROXY_API_KEY: undefined,
      CLLM_MODEL: undefined,
      DATABASE_URL: 'postgresql://not.for.you/app',
    });
    adoptInstallation(home.at('cllm'));
    // Port 4000, the default, may be somebody's.
    port = String(await freePort());
  });

  afterAll(async () => {
    await home.run(['proxy', 'down']);
    home.close();
  }, 60_000);

  const up = () => home.run(['proxy', 'up', '--port', port]);
  const status = async () =>
    JSON.parse((await home.run(['proxy', 'status', '--json'])).stdout) as Record<string, unknown>;
  const settings = () => JSON.parse(readFileSync(home.at('cllm', 'config.json'), 'utf8')) as unknown;
  const keys = () =>
    Object.entries(
      (
        JSON.parse(readFileSync(home.at('cllm', 'credentials.json'), 'utf8')) as {
          keys: Record<string, { key: string }>;
        }
      ).keys,
    );

  test(
    'up, and then a question is answered by a real LiteLLM without any setting; down ends it',
    async () => {
      const baseUrl = `http://127.0.0.1:${port}`;
      const started = await up();
      expect(started).toMatchObject({ code: 0, stdout: '' });
      expect(started.stderr).toContain(`is up at ${baseUrl}`);
      expect(settings()).toEqual({ base_url: baseUrl, model: 'hello' });
      expect(keys()).toEqual([
        [baseUrl, { key: expect.stringMatching(/^sk-[0-9a-f]{48}$/), created_at: expect.anything() }],
      ]);
      expect(statSync(home.at('cllm', 'credentials.json')).mode & 0o777).toBe(0o600);

      const answer = await home.run(['hello']);
      expect(answer).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('a real LiteLLM proxy on this machine'),
      });

      // The command that started it has ended, and a second one leaves it as it is.
      const before = await status();
      expect(before).toMatchObject({ status: 'running', base_url: baseUrl });
      const again = await up();
      expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('was up already') });
      expect(await status()).toEqual(before);

      const secret = keys()[0]?.[1].key ?? '';
      const logs = await home.run(['proxy', 'logs', '--lines', '500']);
      expect(logs.stdout).toContain('POST /v1/chat/completions');
      expect([logs.stdout, JSON.stringify(before), started.stderr].join('')).not.toContain(secret);

      expect(await home.run(['proxy', 'down'])).toMatchObject({ code: 0, stderr: 'cllm: stopped\n' });
      expect(isAlive(testMachine(), -Number(before['process_id']))).toBe(false);
      expect(await home.run(['proxy', 'status'])).toMatchObject({ code: 1, stdout: 'status\tstopped\n' });
      expect(keys()).toEqual([]);
      expect(await home.run(['proxy', 'down'])).toMatchObject({ code: 0, stderr: 'cllm: no proxy was running\n' });
    },
    patience,
  );
});
