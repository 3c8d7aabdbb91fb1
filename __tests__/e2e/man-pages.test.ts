import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { commandTable } from '../../src/cli/command-table.ts';
import type { Command } from '../../src/cli/command.ts';
import { ask } from '../../src/cli/commands/ask/command.ts';
import { exits } from '../../src/outcome/exits.ts';

/** The manual pages that the build made, read as roff: dashes and backslashes are escaped there. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = readdirSync(join(root, 'dist/man')).toSorted();
const page = (name: string): string => readFileSync(join(root, 'dist/man', name), 'utf8');
const plain = (name: string): string =>
  page(name)
    .replaceAll('\\-', '-')
    .replaceAll('\\(dq', '"')
    .replaceAll('\\e', '\\')
    .replaceAll('\\&', '')
    .replaceAll('\\ ', ' ');

async function commands(): Promise<{ name: string; command: Command }[]> {
  const all = [ask];
  for (const { load } of commandTable) all.push(await load());
  return all.map((command) => ({ name: command.usage.split(' ')[0] ?? '', command }));
}

test('there is one for cllm and for each command, and npm is told of each', async () => {
  const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { man: string[] };
  const expected = ['cllm.1', ...(await commands()).map(({ name }) => `cllm-${name}.1`)].toSorted();
  expect(pages).toEqual(expected);
  expect(man).toEqual(expected.map((name) => `dist/man/${name}`));
});

test('each has every flag, word and example of its command, with what is said of it', async () => {
  for (const { name, command } of await commands()) {
    const text = plain(`cllm-${name}.1`);
    for (const each of [command, ...command.subcommands]) {
      const [first, ...words] = each.usage.split(' ');
      expect(text).toContain([...words, '[flags]'].join(' '));
      expect(text).toContain(first);
      for (const [flag, { alias, describe: about }] of Object.entries(each.flags)) {
        expect(text).toMatch(new RegExp(`(^|[ "])--${flag}([ ",]|$)`, 'm'));
        expect(text).toContain(alias === null ? `--${flag}` : `-${alias}, --${flag}`);
        expect(text).toContain(about);
      }
      for (const { describe: about } of Object.values(each.words)) expect(text).toContain(about);
      for (const [line] of each.examples) expect(text).toContain(line);
    }
  }
});

test('that of cllm has the commands and the exit codes', async () => {
  const text = plain('cllm.1');
  for (const { name, command } of await commands()) {
    expect(text).toContain(`cllm-${name} (1)`);
    expect(text).toContain(command.describe);
  }
  for (const { code, when } of Object.values(exits)) expect(text).toContain(`.B ${code}\n${when}\n`);
});

describe.each(pages)('%s', (name) => {
  test('is roff that any man can show', () => {
    const lines = page(name).trimEnd().split('\n');
    const requests = lines.filter((line) => /^[.']/.test(line)).map((line) => line.split(' ')[0]);
    expect(requests.filter((each) => !/^\.(\\"|TH|SH|SS|TP|B|I|BR|br)$/.test(each ?? ''))).toEqual([]);
    // A dash that stands unescaped is a hyphen, which nobody can search for or copy.
    const words = lines.filter((line) => !line.startsWith('.TH') && !line.startsWith('.\\"'));
    expect(words.filter((line) => /(?<!\\)-/.test(line))).toEqual([]);
    expect(lines.filter((line) => line === '')).toEqual([]);
    expect(lines[1]).toMatch(/^\.TH CLLM[A-Z-]* 1 "" "cllm \d+\.\d+\.\d+" "User Commands"$/);
  });
});
