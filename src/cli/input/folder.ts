import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import ignore, { type Ignore } from 'ignore';
import { errorCode, failureReason } from '../../files/file-error.ts';
import { hasSecretName } from '../../files/secret-file.ts';
import { decodeText } from '../../files/text-encoding.ts';
import { InterruptedError, UsageError } from '../../outcome/errors.ts';
import { inLimitedTime } from '../../schema/limited-time.ts';
import type { Io } from '../io.ts';

/** More files than that are a repository, and more text than that no context holds. */
const mostFiles = 2_000;
const mostBytes = 20 * 1024 * 1024;
/** Entries that are looked at: beyond, the wrong folder was named. */
const mostEntries = 200_000;
/** A file of rules is a page of text. */
const mostRuleBytes = 1024 * 1024;
/** For the rules and the names of one folder: they may be a stranger's, and a pattern of many stars has no end. */
const longestMatchMs = 1_000;

export interface FolderFile {
  /** As it is shown: the folder's name as it was typed, with `/` between. */
  name: string;
  bytes: Buffer;
}

export interface Folder {
  files: FolderFile[];
  /** What is not sent and might be missed, with the reason. */
  skipped: { name: string; why: string }[];
}

/** What `-f FOLDER` sends, in the order of the names. */
export async function readFolder(
  given: string,
  { cwd, platform, signal }: Pick<Io, 'cwd' | 'platform' | 'signal'>,
): Promise<Folder> {
  const root = path.resolve(cwd, given);
  const shown = given.replace(/[\\/]+$/, '') || given;
  const folder: Folder = { files: [], skipped: [] };
  const reading: Reading = { given, isCaseIgnored: platform === 'darwin' };
  let entries = 0;
  let bytes = 0;

  const tooMuch = (what: string): UsageError =>
    new UsageError(`-f ${given}: has ${what}`, {
      code: 'input_invalid',
      hint: 'name a part of it, or leave files out by a .cllmignore',
    });

  const walk = async (directory: string, name: string, rules: readonly Rules[]): Promise<void> => {
    // All of it is synchronous: a signal has to come in between.
    await turn();
    if (signal.aborted) throw interrupted(signal, given);
    const own = [...rules, ...rulesIn(directory, reading)];
    const found: Entry[] = [];
    for (const entry of listed(directory, given)) {
      entries += 1;
      if (entries > mostEntries) throw tooMuch(`more than ${mostEntries} entries`);
      if (!isUtf8(entry))
        folder.skipped.push({
          name: `${name}/${entry.toString()}`,
          why: 'its name is no UTF-8, so that rules could not tell',
        });
      else if (entry.toString() !== '.git') found.push(...entryOf(directory, entry.toString(), given));
    }
    for (const { file, entry, stats } of notIgnored(found, own, given)) {
      const shownName = `${name}/${entry}`;
      if (stats.isSymbolicLink()) {
        folder.skipped.push({ name: shownName, why: 'a link' });
      } else if (stats.isDirectory()) {
        await walk(file, shownName, own);
      } else if (!stats.isFile()) {
        folder.skipped.push({ name: shownName, why: 'no file' });
      } else if (hasSecretName(entry)) {
        folder.skipped.push({ name: shownName, why: 'it looks like a secret; -f with its own name sends it' });
      } else {
        if (folder.files.length >= mostFiles) throw tooMuch(`more than ${mostFiles} files`);
        const content = read(file, shownName, mostBytes - bytes);
        if (content === 'too long') throw tooMuch(`more than ${mostBytes} bytes`);
        if (content === 'another') {
          folder.skipped.push({ name: shownName, why: 'it changed meanwhile' });
          continue;
        }
        bytes += content.length;
        folder.files.push({ name: shownName, bytes: content });
      }
    }
  };
  await walk(root, shown, rulesAbove(root, reading));
  return folder;
}

interface Reading {
  /** As it was typed, for messages. */
  given: string;
  /** As Git has it: by what file systems do on that platform. */
  isCaseIgnored: boolean;
}

interface Entry {
  file: string;
  entry: string;
  stats: Stats;
}

/** None for what is gone by now. */
function entryOf(directory: string, entry: string, given: string): Entry[] {
  const file = path.join(directory, entry);
  try {
    const stats = lstatSync(file, { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ file, entry, stats }];
  } catch (error) {
    throw unreadable(`-f ${given}: ${file} can not be looked at`, error);
  }
}

/** What a file of rules leaves out, below its own folder. */
interface Rules {
  folder: string;
  matcher: Ignore;
}

/** @throws UsageError when the rules come to no end */
function notIgnored(entries: readonly Entry[], rules: readonly Rules[], given: string): Entry[] {
  if (rules.length === 0) return [...entries];
  try {
    return inLimitedTime(longestMatchMs, () =>
      entries.filter(({ file, stats }) => !isIgnored(file, stats.isDirectory(), rules)),
    );
  } catch (cause) {
    const file = entries[0]?.file ?? '';
    throw new UsageError(`-f ${given}: the rules of what to leave out of ${path.dirname(file)} can not be used`, {
      code: 'input_invalid',
      hint: 'take patterns of many stars out of its .gitignore and .cllmignore, and of those above it',
      cause,
    });
  }
}

function isIgnored(file: string, isFolder: boolean, rules: readonly Rules[]): boolean {
  let isOut = false;
  for (const { folder, matcher } of rules) {
    const relative = path.relative(folder, file).split(path.sep).join('/');
    const { ignored, unignored } = matcher.test(isFolder ? `${relative}/` : relative);
    // The file of rules that lies nearer comes later, and says more.
    if (ignored) isOut = true;
    else if (unignored) isOut = false;
  }
  return isOut;
}

/** The weakest first. */
const ruleFiles = [path.join('.git', 'info', 'exclude'), '.gitignore', '.cllmignore'];

function rulesIn(folder: string, { given, isCaseIgnored }: Reading): Rules[] {
  return ruleFiles.flatMap((name) => {
    const text = rulesText(path.join(folder, name), given);
    return text === null ? [] : [{ folder, matcher: ignore({ ignoreCase: isCaseIgnored }).add(text) }];
  });
}

/**
 * Null where there is none.
 *
 * @throws UsageError when it is there and can not be read: what it leaves out would be sent
 */
function rulesText(file: string, given: string): string | null {
  let bytes: Buffer | 'too long' | 'another';
  try {
    // A folder of that name is none, to Git as well.
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory() !== false) return null;
    bytes = readBounded(file, mostRuleBytes, constants.O_RDONLY);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return null;
    throw unreadable(`-f ${given}: ${file} can not be read, and with it what is to be left out`, error);
  }
  if (typeof bytes !== 'string') return decodeText(bytes).text ?? bytes.toString();
  throw new UsageError(
    `-f ${given}: ${file} is ${bytes === 'another' ? 'no file' : `longer than ${mostRuleBytes} bytes`}`,
    {
      code: 'input_invalid',
      hint: 'mend it: it says what is to be left out',
    },
  );
}

/** Of the folders above, up to the one that is a repository: Git looks at those as well. */
function rulesAbove(root: string, reading: Reading): Rules[] {
  const above: string[] = [];
  for (let folder = root; ; folder = path.dirname(folder)) {
    if (folder !== root) above.unshift(folder);
    if (isThere(path.join(folder, '.git'), reading.given)) return above.flatMap((each) => rulesIn(each, reading));
    if (path.dirname(folder) === folder) return [];
  }
}

function isThere(file: string, given: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw unreadable(`-f ${given}: ${file} can not be looked at`, error);
  }
}

function listed(directory: string, given: string): Buffer[] {
  try {
    // By bytes: the same on every machine, whatever its language.
    return readdirSync(directory, { encoding: 'buffer' }).toSorted((one, other) => one.compare(other));
  } catch (error) {
    throw unreadable(`-f ${given}: ${directory} can not be read`, error);
  }
}

function read(file: string, name: string, most: number): Buffer | 'too long' | 'another' {
  try {
    return readBounded(file, most, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    // It was a file when it was looked at.
    if (['ELOOP', 'ENOENT', 'ENXIO'].includes(errorCode(error) ?? '')) return 'another';
    throw unreadable(`-f ${name}: cannot be read`, error);
  }
}

/** What stands there is looked at once it is open, and its length while it is read: both may change. */
function readBounded(file: string, most: number, flags: number): Buffer | 'too long' | 'another' {
  const descriptor = openSync(file, flags | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return 'another';
    if (stats.size > most) return 'too long';
    const pieces: Buffer[] = [];
    let length = 0;
    for (;;) {
      const piece = Buffer.allocUnsafe(Math.max(stats.size - length, 0) + 4096);
      const count = readSync(descriptor, piece);
      if (count === 0) return Buffer.concat(pieces, length);
      pieces.push(piece.subarray(0, count));
      length += count;
      if (length > most) return 'too long';
    }
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(what: string, cause: unknown): UsageError {
  return new UsageError(`${what} (${errorCode(cause) ?? failureReason(cause)})`, {
    code: 'input_invalid',
    hint: 'check its permissions, or leave it out by a .cllmignore',
    cause,
  });
}

function interrupted({ reason }: AbortSignal, given: string): InterruptedError {
  return new InterruptedError(
    reason instanceof InterruptedError ? reason.signal : null,
    `interrupted while -f ${given} was read`,
    {
      hint: 'try again',
    },
  );
}
