import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { startFakeUpstream } from '../support/fake-upstream.ts';
import { builtCli, CliHome } from '../support/run-cli.ts';

/**
 * What a command loads is what its start costs. The chunks that ran come from V8's own coverage, what they hold from the
 * list that the build leaves beside them.
 */
const inputs = new Map<string, string[]>(
  Object.entries(
    JSON.parse(
      readFileSync(path.join(path.dirname(builtCli), '../../node_modules/.cache/cllm-build/chunks.json'), 'utf8'),
    ) as Record<string, string[]>,
  ),
);

async function loaded(home: CliHome, args: string[]): Promise<string[]> {
  const coverage = home.at(`coverage-${args.length}`);
  await home.run(args, { env: { NODE_V8_COVERAGE: coverage } });
  const urls = readdirSync(coverage).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(path.join(coverage, name), 'utf8')) as { result: { url: string }[] };
    return result.map(({ url }) => path.basename(url));
  });
  return urls.flatMap((name) => inputs.get(name) ?? []);
}

/** The part of a module's path that tells whose it is: a package, or a file of ours. */
const partOf = (input: string): string => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? input;

const parts = (modules: string[]): string[] => [...new Set(modules.map(partOf))].toSorted();
const packages = (modules: string[]): string[] => parts(modules).filter((part) => !part.startsWith('src/'));

test('--version loads no chunk at all', async () => {
  const home = new CliHome();
  try {
    expect(await loaded(home, ['--version'])).toEqual([]);
  } finally {
    home.close();
  }
});

test('--help loads the parser and nothing that talks, keeps or renders', async () => {
  const home = new CliHome();
  try {
    const modules = await loaded(home, ['--help']);
    expect(packages(modules)).toEqual(expect.arrayContaining(['yargs']));
    expect(packages(modules)).not.toEqual(expect.arrayContaining(['undici']));
    expect(
      parts(modules).filter((part) =>
        /src\/(client\/client|history\/|protocol\/reply-(?!content)|demo|batch|local-proxy)/.test(part),
      ),
    ).toEqual([]);
  } finally {
    home.close();
  }
});

test('ask down a pipe loads the client and the history, and neither the chat, Markdown, conf, YAML nor a schema validator', async () => {
  const upstream = await startFakeUpstream();
  const home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  try {
    const modules = await loaded(home, ['hi']);
    expect(packages(modules)).toEqual(expect.arrayContaining(['eventsource-parser', 'undici', 'yargs']));
    const unwanted = ['ajv', 'ci-info', 'conf', 'marked', 'p-queue', 'yaml', '@codemirror/legacy-modes'];
    expect(packages(modules).filter((name) => unwanted.includes(name))).toEqual([]);
    const ours = parts(modules).filter((part) =>
      /src\/(batch|demo|local-proxy|cli\/chat|cli\/doctor|cli\/history)\//.test(part),
    );
    expect(ours).toEqual([]);
  } finally {
    home.close();
    await upstream.close();
  }
});
