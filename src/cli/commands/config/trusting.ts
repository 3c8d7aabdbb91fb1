import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  findProjectFile,
  type ProjectFile,
  projectFileName,
  readProjectFile,
  realFolder,
  searchOptions,
} from '../../../config/project-file.ts';
import { type Grant, type KeptGrant, TrustStore } from '../../../config/trust.ts';
import { validateSettings } from '../../../config/validation.ts';
import { UsageError } from '../../../outcome/errors.ts';
import type { Paths } from '../../../config/paths.ts';
import { command } from '../../command.ts';
import { optionalWord, reworded, toggle } from '../../flags/flag.ts';
import { jsonFlag } from '../../flags/flags.ts';
import type { Io } from '../../io.ts';
import type { OwnText } from '../../../terminal/own-text.ts';
import { table } from '../../views/table.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';

const dir = optionalWord(`the folder of the ${projectFileName}, or one below it; default: here`, 'files');

export const trust = command({
  usage: 'trust [dir]',
  describe: `let the ${projectFileName} of a folder name its proxy and allow its tools, as it does now`,
  words: { dir },
  flags: {
    list: toggle('what was allowed so far'),
    json: reworded(jsonFlag.json, { describe: 'the list as JSON' }),
  },
  async run(values, context) {
    const { io } = context;
    const store = storeOf(context.paths, io);
    if (values.list || values.json) {
      await io.stdout.write(values.json ? jsonLine(store.list().map(asJson)) : listed(store.list(), io));
      return null;
    }
    const found = projectFileOf(values.dir, io);
    const grants = await grantsOf(found);
    if (grants.length === 0)
      context.remark(`${found.file} names no proxy and allows no tool: there is nothing to allow`);
    for (const grant of grants) {
      store.add(grant);
      context.remark(allowed(grant, found.file));
    }
    return null;
  },
});

export const untrust = command({
  usage: 'untrust [dir]',
  describe: 'take back what was allowed a folder: its proxy, its owner, its templates',
  words: { dir },
  async run(values, context) {
    const named = resolve(context.io.cwd, values.dir ?? '.');
    // The file may be gone by now: then the folder is the one that was named.
    const found = findProjectFile(named, searchOptions(context.io));
    const folders = new Set([...foldersUpwards(realFolder(named)), ...(found === null ? [] : [found.folder])]);
    const store = storeOf(context.paths, context.io);
    const taken = [...folders].flatMap((folder) => store.remove(folder));
    if (taken.length === 0) {
      throw new UsageError(`${found?.folder ?? named} was allowed nothing`, {
        code: 'config_invalid',
        hint: 'cllm config trust --list shows what was',
      });
    }
    for (const { kind, value } of taken)
      context.remark(
        kind === 'owner'
          ? `files of user ${value} there are not obeyed any more`
          : kind === 'template'
            ? `the template ${value} may run nothing there any more`
            : `${value} is not allowed there any more`,
      );
    return null;
  },
});

/** Templates belong to the folder that holds them, which need not be the one of a project file. */
function foldersUpwards(folder: string): string[] {
  const above = dirname(folder);
  return above === folder || existsSync(join(folder, '.git')) ? [folder] : [folder, ...foldersUpwards(above)];
}

function allowed({ kind, folder, value }: Grant, file: string): string {
  if (kind === 'owner') return `${file} of user ${value} is obeyed from now on`;
  if (kind === 'tool') return `a model may call ${value} in ${folder} without a question, as ${file} says`;
  return `what is asked in ${folder} may go to ${value}, as ${file} says`;
}

function storeOf(paths: Paths, io: Io): TrustStore {
  return new TrustStore(paths.trustDirectory, io.uid);
}

function projectFileOf(folder: string | undefined, io: Io): ProjectFile {
  const directory = resolve(io.cwd, folder ?? '.');
  const found = findProjectFile(directory, searchOptions(io));
  if (found !== null) return found;
  throw new UsageError(`there is no ${projectFileName} in ${directory} or above it`, {
    code: 'config_invalid',
    hint: 'name the folder that has one: cllm config trust DIR',
  });
}

/** What the file asks for now: its base URL and rules for tools, those of its profiles, and that it is another user's. */
async function grantsOf(found: ProjectFile): Promise<Grant[]> {
  const values = validateSettings(await readProjectFile(found), found.file, { isProject: true });
  const groups = [values, ...Object.values(values.profiles ?? {})];
  const urls = new Set(groups.flatMap(({ base_url: url }) => url ?? []));
  const rules = new Set(groups.flatMap(({ tools }) => tools?.allow ?? []));
  const grants: Omit<Grant, 'folder'>[] = [
    ...(found.strangerUid === null ? [] : [{ kind: 'owner' as const, value: String(found.strangerUid) }]),
    ...[...urls].map((value) => ({ kind: 'base_url' as const, value })),
    ...[...rules].map((value) => ({ kind: 'tool' as const, value })),
  ];
  return grants.map((grant) => ({ ...grant, folder: found.folder }));
}

function asJson({ kind, folder: where, value, grantedAt }: KeptGrant): Record<string, string> {
  return { kind, folder: where, value, granted_at: grantedAt };
}

const grantNames: Readonly<Record<Grant['kind'], (value: string) => string>> = {
  base_url: (value) => value,
  owner: (value) => `files of user ${value}`,
  template: (value) => `the template ${value}`,
  tool: (value) => `the tool ${value}`,
};

function listed(grants: readonly KeptGrant[], io: Io): string | OwnText {
  const rows = grants.map(({ kind, folder: where, value, grantedAt }) => [
    where,
    grantNames[kind](value),
    grantedAt.slice(0, 10),
  ]);
  return table(io.stdout, ['folder', 'may use', 'since'], rows);
}
