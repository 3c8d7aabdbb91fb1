import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { batchWorker } from '../../src/cli/commands/batch/worker.ts';
import { exits } from '../../src/outcome/exits.ts';
import { type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';

/** The manifests of examples/kubernetes/, run as a kubelet would run them; `npm run check:kubernetes` holds their schemas. */
const folder = fileURLToPath(new URL('../../examples/kubernetes', import.meta.url));

interface Container {
  name: string;
  command?: string[];
  args?: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  volumeMounts: { name: string; mountPath: string }[];
  securityContext: Record<string, unknown>;
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  spec: {
    completions: number;
    podFailurePolicy: { rules: { action: string; onExitCodes?: { containerName: string; values: number[] } }[] };
    template: {
      spec: {
        containers: [Container];
        volumes: { name: string }[];
        terminationGracePeriodSeconds?: number;
        automountServiceAccountToken: boolean;
      };
    };
  };
}

const manifests = readdirSync(folder).flatMap((name) =>
  parseAllDocuments(readFileSync(path.join(folder, name), 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  }),
);
const named = (name: string): Manifest =>
  manifests.find(({ kind, metadata }) => kind !== 'PersistentVolumeClaim' && metadata.name === name) as Manifest;
const pods = manifests.filter(({ spec }) => spec.template !== undefined);

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  // The cap of the example wants a price.
  const price = { model_name: 'gpt', model_info: { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 } };
  upstream.fallback = (request) =>
    request.path.endsWith('/model/info')
      ? { body: { data: [price] } }
      : textReply(`re: ${lastText(request)}`, { usage: { cost: 0.01 } })(request);
  home = new CliHome();
  mkdirSync(home.at('bin'));
  mkdirSync(home.at('data'));
  mkdirSync(home.at('tmp'));
  writeFileSync(home.at('bin/cllm'), `#!/bin/sh\nexec '${node}' '${builtCli}' "$@"\n`);
  chmodSync(home.at('bin/cllm'), 0o755);
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** What the container does with its environment alone; its /data and /tmp are folders of this test. */
function runContainer(
  { spec }: Manifest,
  added: Record<string, string> = {},
): Promise<{ code: number | null; stderr: string }> {
  const [{ command = [], env }] = spec.template.spec.containers;
  const inside = (text: string): string =>
    text.replaceAll(/\/(data|tmp)\//g, (_place, name: string) => `${home.at(name)}/`);
  const variables = Object.fromEntries(env.map(({ name, value }) => [name, inside(value ?? 'sk-of-the-secret')]));
  const [file = '', ...args] = command.map(inside);
  const child = spawn(file, args, {
    cwd: home.directory,
    env: {
      PATH: `${home.at('bin')}:${process.env['PATH']}`,
      ...variables,
      ...added,
      ...('LITELLM_PROXY_URL' in variables && { LITELLM_PROXY_URL: upstream.baseUrl }),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

test('the pods of the Indexed Job do each part once, also after one was killed, and the next job merges them', async () => {
  const job = named('cllm-batch');
  const count = job.spec.completions;
  const prompts = Array.from({ length: count * 2 + 1 }, (_, n) => `prompt ${n}`);
  writeFileSync(home.at('data/prompts.jsonl'), prompts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(''));
  // What a pod that was killed on another node leaves: nobody can see from here whether it is gone.
  const claim = { pid: 7, startedAt: '123', realm: 'cllm-batch-2 0b00 pid:[1]' };
  writeFileSync(home.at('data/.part-2.jsonl.lock-7-123-1'), JSON.stringify(claim), { mode: 0o600 });
  for (let index = 0; index < count; index += 1) {
    const { code, stderr } = await runContainer(job, { JOB_COMPLETION_INDEX: String(index) });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(`part ${index + 1}/${count}`) });
  }
  expect(upstream.chatRequests.map(lastText).toSorted()).toEqual(prompts.toSorted());
  expect(upstream.chatRequests.every(({ body }) => body.stream === false)).toBe(true);
  const merged = await runContainer(named('cllm-merge'));
  expect(merged).toEqual({ code: 0, stderr: expect.stringContaining(`${prompts.length} results of ${count} parts`) });
  expect(merged.stderr).toContain('complete');
});

test('its pods know of how many they are one, and give up for all at what no other try would change', () => {
  const { spec } = named('cllm-batch');
  const [container] = spec.template.spec.containers;
  expect(container.env).toContainEqual({ name: 'CLLM_SHARD_TOTAL', value: String(spec.completions) });
  const rule = spec.podFailurePolicy.rules.find(({ action }) => action === 'FailJob')?.onExitCodes;
  expect(rule?.containerName).toBe(container.name);
  expect(rule?.values).toEqual([exits.usage.code, exits.auth.code, exits.budget.code]);
});

test('no key stands in a manifest, no pod has more rights than it needs, and each folder that is written is a volume', () => {
  expect(pods).toHaveLength(3);
  for (const { spec } of pods) {
    const { containers, volumes, automountServiceAccountToken } = spec.template.spec;
    const [{ env, securityContext, volumeMounts }] = containers;
    for (const { name, value } of env)
      expect([name, value]).toEqual([name, /KEY|QUEUE/.test(name) ? undefined : value]);
    expect(automountServiceAccountToken).toBe(false);
    expect(securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
    expect(env.find(({ name }) => name === 'CLLM_HOME')?.value).toBe('/tmp/cllm');
  }
});

test('a worker is called as the command is, and has longer to end than it gives its replies', () => {
  const { spec } = named('cllm-worker');
  const { containers, terminationGracePeriodSeconds = 30 } = spec.template.spec;
  const args = containers[0].args ?? [];
  expect(args.slice(0, 2)).toEqual(['batch', 'worker']);
  const flags = args.filter((word) => word.startsWith('--'));
  expect(flags).toEqual(['--concurrency', '--grace']);
  for (const flag of flags) expect(Object.keys(batchWorker.flags)).toContain(flag.slice(2));
  expect(containers[0].env.map(({ name }) => name)).toContain('CLLM_QUEUE_URL');
  expect(Number(args[args.indexOf('--grace') + 1])).toBeLessThan(terminationGracePeriodSeconds);
});

test("the workers' image has the packages that were tested", () => {
  const { devDependencies } = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
  ) as { devDependencies: Record<string, string> };
  const text = readFileSync(path.join(folder, 'workers.yaml'), 'utf8');
  for (const name of ['bullmq', 'ioredis']) expect(text).toContain(`${name}@${devDependencies[name]}`);
});
