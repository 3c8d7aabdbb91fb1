import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeLitellm, litellmProxy, type LitellmProxy } from '../support/litellm.ts';
import { type Server, startRedis } from '../support/nginx.ts';
import { startWorker } from '../support/queue.ts';
import { CliHome } from '../support/run-cli.ts';

/** A batch over workers: the built commands, a real Redis, a real LiteLLM. */
describeLitellm('a batch by way of a queue and a real LiteLLM', () => {
  let proxy: LitellmProxy;
  let redis: Server;
  let home: CliHome;

  beforeAll(async () => {
    proxy = litellmProxy();
    redis = await startRedis();
    home = new CliHome({
      LITELLM_PROXY_URL: proxy.baseUrl,
      LITELLM_PROXY_API_KEY: proxy.masterKey,
      CLLM_MODEL: 'fake-openai',
      CLLM_QUEUE_URL: redis.baseUrl,
    });
  });
  afterAll(async () => {
    home.close();
    await redis.close();
  });

  test('two workers share it, each item has one result, and the provider was asked once for each, without a stream', async () => {
    const count = 24;
    const lines = Array.from({ length: count }, (_, at) => ({ custom_id: `i${at}`, prompt: `[text tag=queue-${at}]` }));
    writeFileSync(home.at('in.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const workers = await Promise.all([1, 2].map(() => startWorker(home, ['--drain', '--concurrency', '4'])));
    const { code, stderr } = await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(`${count} asked`) });
    const rows = readFileSync(home.at('out.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(rows).toHaveLength(count);
    expect(new Set(rows.map(({ custom_id: id }) => id))).toEqual(new Set(lines.map(({ custom_id: id }) => id)));
    expect(new Set(rows.map(({ result }) => result))).toEqual(new Set(['Hello from the upstream. ']));
    const asked = await Promise.all(lines.map(async (_, at) => proxy.provider.requests(`queue-${at}`)));
    expect(asked.map((requests) => requests.map(({ body }) => body['stream'] ?? false))).toEqual(
      lines.map(() => [false]),
    );
    const ends = await Promise.all(workers.map(({ result }) => result));
    expect(ends.map((end) => end.code)).toEqual([0, 0]);
    const shares = ends.map((end) => Number(/(\d+) asked/.exec(end.stderr)?.[1] ?? 0));
    expect(shares[0]! + shares[1]!).toBe(count);
  });
});
