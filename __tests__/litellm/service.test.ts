import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { litellmRelease, litellmVersion } from '../../src/local-proxy/release.ts';
import { bringUp, readLog, serviceStatus, takeDown, type Service } from '../../src/local-proxy/service.ts';
import { describeLitellm } from '../support/litellm.ts';
import { sealedEnvironment, suiteDirectory, testedVersion, testMachine } from '../support/litellm-environment.ts';

describeLitellm("the real LiteLLM with the repository's own litellm-config.yaml and no provider's key", () => {
  let service: Service;
  let client: LiteLLMClient;
  let directory: string;
  let options: { machine: ReturnType<typeof testMachine>; directory: string };

  beforeAll(async () => {
    directory = mkdtempSync(join(suiteDirectory, `run-${process.pid}-`));
    // The suite's installation, seen from a place of its own.
    symlinkSync(join(suiteDirectory, 'venv'), join(directory, 'venv'));
    const { requirements } = litellmRelease(testedVersion);
    writeFileSync(join(directory, 'installed.json'), JSON.stringify({ method: 'venv', directory, requirements }));
    options = { machine: { ...testMachine(), environment: sealedEnvironment(directory) }, directory };
    service = await bringUp({ ...options, configFile: 'litellm-config.yaml', report: () => undefined });
    client = new LiteLLMClient({ baseUrl: service.baseUrl, apiKey: service.masterKey, retries: 0 });
  }, 200_000);

  afterAll(async () => {
    await client?.close();
    await takeDown(options);
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  test('comes up and stays up', async () => {
    expect(await serviceStatus(options)).toMatchObject({
      status: 'running',
      service: { version: testedVersion ?? litellmVersion },
    });
    expect(await readLog(options)).toContain('Uvicorn running');
  });

  test('serves the models that the README names', async () => {
    const models = await client.models();
    expect(models.map(({ id }) => id)).toEqual(['hello', 'gpt', 'claude', 'gemini', 'local']);
  });

  test('streams from the keyless model', async () => {
    const stream = client.stream({ model: 'hello', messages: 'Hello' });
    let deltas = 0;
    for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? '') !== '') deltas += 1;
    const { verdict, completion } = await stream.result();
    expect(verdict).toBe('complete');
    expect(completion?.choices[0]?.message.content).toContain('This reply comes from a real LiteLLM proxy');
    expect(deltas).toBeGreaterThan(10);
  });

  test('goes down', async () => {
    expect(await takeDown(options)).toBe(true);
    expect(await serviceStatus(options)).toEqual({ status: 'stopped', service: null });
  });
});
