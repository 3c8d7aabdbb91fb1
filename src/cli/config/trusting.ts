import { resolve } from 'node:path';
import {
  findProjectFile,
  type ProjectFile,
  projectFileName,
  readProjectFile,
  realFolder,
  searchOptions,
} from '../../config/project-file.ts';
import { type Grant, type KeptGrant, TrustStore } from '../../config/trust.ts';
import { validateSettings } from '../../config/validation.ts';
import { UsageError } from '../../errors.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { isSet, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import type { OwnText } from '../render/own-text.ts';
import { table } from '../render/table.ts';
import { jsonLine } from '../render/terminal-safe.ts';

const folder = {
  type: 'string',
  describe: `the folder of the ${projectFileName}, or one below it; default: here`,
} as const;

export const trust: Command = {
  usage: 'trust [dir]',
  describe: `let the ${projectFileName} of a folder name the proxy that it names now`,
  configure: (parser) =>
    parser.positional('dir', folder).options({
      list: { type: 'boolean', describe: 'what was allowed so far' },
      json: { type: 'boolean', describe: 'the list as JSON' },
    }),
  async run(flags, context) {
    const { io } = context;
    const store = storeOf(context);
    if (isSet(flags, 'list') || isSet(flags, 'json')) {
      await io.stdout.write(isSet(flags, 'json') ? jsonLine(store.list().map(asJson)) : listed(store.list(), context));
      return null;
    }
    const found = projectFileOf(flags, context);
    const grants = await grantsOf(found);
    if (grants.length === 0) context.remark(`${found.file} names no proxy: there is nothing to allow`);
    for (const grant of grants) {
      store.add(grant);
      context.remark(
        grant.kind === 'owner'
          ? `${found.file} of user ${grant.value} is obeyed from now on`
          : `what is asked in ${grant.folder} may go to ${grant.value}, as ${found.file} says`,
      );
    }
    return null;
  },
};

export const untrust: Command = {
  usage: 'untrust [dir]',
  describe: 'take back what `config trust`, or a yes at the terminal, allowed a folder',
  configure: (parser) => parser.positional('dir', folder),
  async run(flags, context) {
    const named = resolve(context.io.cwd, textFlag(flags, 'dir') ?? '.');
    // The file may be gone by now: then the folder is the one that was named.
    const found = findProjectFile(named, searchOptions(context.io));
    const taken = storeOf(context).remove(found?.folder ?? realFolder(named));
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
          : `${value} is not allowed there any more`,
      );
    return null;
  },
};

function storeOf({ paths, io }: Context): TrustStore {
  return new TrustStore(paths.trustDirectory, io.uid);
}

function projectFileOf(flags: Flags, { io }: Context): ProjectFile {
  const directory = resolve(io.cwd, textFlag(flags, 'dir') ?? '.');
  const found = findProjectFile(directory, searchOptions(io));
  if (found !== null) return found;
  throw new UsageError(`there is no ${projectFileName} in ${directory} or above it`, {
    code: 'config_invalid',
    hint: 'name the folder that has one: cllm config trust DIR',
  });
}

/** What the file asks for now: its base URL, those of its profiles, and that it is another user's. */
async function grantsOf(found: ProjectFile): Promise<Grant[]> {
  const { values } = validateSettings(await readProjectFile(found), found.file, { isProject: true });
  const urls = [values, ...Object.values(values.profiles ?? {})]
    .map(({ base_url: url }) => url)
    .filter((url) => url !== undefined);
  const own = found.strangerUid === null ? [] : [{ kind: 'owner' as const, value: String(found.strangerUid) }];
  return [...own, ...[...new Set(urls)].map((value) => ({ kind: 'base_url' as const, value }))].map((grant) => ({
    ...grant,
    folder: found.folder,
  }));
}

function asJson({ kind, folder: where, value, grantedAt }: KeptGrant): Record<string, string> {
  return { kind, folder: where, value, granted_at: grantedAt };
}

function listed(grants: readonly KeptGrant[], { io }: Context): string | OwnText {
  const rows = grants.map(({ kind, folder: where, value, grantedAt }) => [
    where,
    kind === 'owner' ? `files of user ${value}` : value,
    grantedAt.slice(0, 10),
  ]);
  return table(io.stdout, ['folder', 'may use', 'since'], rows);
}
