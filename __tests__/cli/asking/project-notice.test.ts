import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sayWhatProjectSets } from '../../../src/cli/asking/project-notice.ts';
import { resolveSettings } from '../../../src/config/settings.ts';
import { useTemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

function said(project: unknown, options: { folder?: string; isRemembered?: boolean; model?: string } = {}): string[] {
  const folder = options.folder ?? '/clone';
  const lines: string[] = [];
  sayWhatProjectSets({
    settings: resolveSettings({
      flags: { model: options.model },
      env: {},
      cwd: folder,
      userFile: { file: '/home/ada/config.json', values: null },
      projectFile: project === null ? null : { file: `${folder}/cllm.yaml`, values: project },
    }),
    paths: { dataDirectory: join(directory(), 'data') },
    uid: process.getuid?.() ?? null,
    isRemembered: options.isRemembered ?? true,
    say: (text) => lines.push(text),
  });
  return lines;
}

test('what a project file sets is said once a folder, and what is new when it comes', () => {
  const first = { base_url: 'http://llm', history: 'off', system: 'a secret plan', params: { seed: 1 } };
  expect(said(first)).toEqual([
    '/clone/cllm.yaml sets the proxy http://llm, history off: what is asked here is not kept, a system prompt, params.seed ' +
      '(said once a folder; cllm config explain shows all)',
  ]);
  expect(said(first)).toEqual([]);
  expect(said(first, { folder: '/copy' })).toHaveLength(1);
  expect(said({ ...first, base_url: 'http://other' })[0]).toMatch(
    /^\/clone\/cllm\.yaml sets the proxy http:\/\/other \(/,
  );
  expect(said(first)).toEqual([]);
  const file = join(directory(), 'data', 'project-notices.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain('secret plan');
});

test('what does not count in this run is not said, a limit that was not taken is', () => {
  expect(said(null)).toEqual([]);
  expect(said({ model: 'theirs' }, { model: 'mine' })).toEqual([]);
  expect(said({ timeouts: { idle: 600 } })[0]).toContain('not timeouts.idle 600, since 120 is stricter');
});

test('under --ephemeral, and where nothing can be remembered, it is said again', () => {
  expect(said({ history: 'off' }, { isRemembered: false })).toHaveLength(1);
  expect(said({ history: 'off' }, { isRemembered: false })).toHaveLength(1);
  writeFileSync(join(directory(), 'data'), 'no folder');
  expect(said({ history: 'off' })).toHaveLength(1);
  expect(said({ history: 'off' })).toHaveLength(1);
});
