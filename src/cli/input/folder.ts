import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { errorCode, failureReason } from '../../files/file-error.ts';
import { UsageError } from '../../outcome/errors.ts';

/** More files than that are a repository, and more text than that no context holds. */
const mostFiles = 2_000;
const mostBytes = 20 * 1024 * 1024;
/** Entries that are looked at: beyond, the wrong folder was named. */
const mostEntries = 200_000;

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

/** Files that hold keys as a rule. Named one by one they are sent; of a folder nobody means them. */
const secretNames: readonly RegExp[] = [
  /^\.env(?:\.(?!example$|sample$|template$|dist$).+)?$/,
  /\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx|ppk|tfstate|ovpn)(?:\.backup)?$/,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/,
  /^\.(?:netrc|npmrc|pypirc|pgpass|htpasswd|git-credentials|dockercfg|s3cfg|boto)$/,
  /^_netrc$/,
  /^(?:credentials|secrets?|service[-_]?account.*|client_secret.*|kubeconfig)(?:\.(?:json|ya?ml|toml|ini|txt|properties))?$/,
];

/** What `-f FOLDER` sends, in the order of the names. */
export function readFolder(given: string, cwd: string): Folder {
  const root = path.resolve(cwd, given);
  const shown = given.replace(/[\\/]+$/, '') || given;
  const folder: Folder = { files: [], skipped: [] };
  let entries = 0;
  let bytes = 0;

  const tooMuch = (what: string): UsageError =>
    new UsageError(`-f ${given}: has ${what}`, {
      code: 'input_invalid',
      hint: 'name a part of it, or leave files out by a .cllmignore',
    });

  const walk = (directory: string, name: string, rules: readonly Rules[]): void => {
    const own = [...rules, ...rulesIn(directory)];
    for (const entry of listed(directory, given)) {
      entries += 1;
      if (entries > mostEntries) throw tooMuch(`more than ${mostEntries} entries`);
      const file = path.join(directory, entry);
      const shownName = `${name}/${entry}`;
      const stats = lstatSync(file, { throwIfNoEntry: false });
      if (stats === undefined || entry === '.git') continue;
      if (isIgnored(file, stats.isDirectory(), own)) continue;
      if (stats.isSymbolicLink()) {
        folder.skipped.push({ name: shownName, why: 'a link' });
      } else if (stats.isDirectory()) {
        walk(file, shownName, own);
      } else if (!stats.isFile()) {
        folder.skipped.push({ name: shownName, why: 'no file' });
      } else if (secretNames.some((pattern) => pattern.test(entry.toLowerCase()))) {
        folder.skipped.push({ name: shownName, why: 'it looks like a secret; -f with its own name sends it' });
      } else {
        if (folder.files.length >= mostFiles) throw tooMuch(`more than ${mostFiles} files`);
        bytes += stats.size;
        if (bytes > mostBytes) throw tooMuch(`more than ${mostBytes} bytes`);
        const content = read(file, shownName);
        if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(content.toString('latin1', 0, 65_536)))
          folder.skipped.push({ name: shownName, why: 'it holds a private key; -f with its own name sends it' });
        else folder.files.push({ name: shownName, bytes: content });
      }
    }
  };
  walk(root, shown, rulesAbove(root));
  return folder;
}

/** What a file of rules leaves out, below its own folder. */
interface Rules {
  folder: string;
  matcher: Ignore;
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

function rulesIn(folder: string): Rules[] {
  return ['.gitignore', '.cllmignore'].flatMap((name) => {
    try {
      return { folder, matcher: ignore().add(readFileSync(path.join(folder, name), 'utf8')) };
    } catch {
      // None, or none that can be read.
      return [];
    }
  });
}

/** Of the folders above, up to the one that is a repository: Git looks at those as well. */
function rulesAbove(root: string): Rules[] {
  const above: string[] = [];
  for (let folder = root; ; folder = path.dirname(folder)) {
    if (folder !== root) above.unshift(folder);
    if (statSync(path.join(folder, '.git'), { throwIfNoEntry: false }) !== undefined) return above.flatMap(rulesIn);
    if (path.dirname(folder) === folder) return [];
  }
}

function listed(directory: string, given: string): string[] {
  try {
    // By code units: the same on every machine, whatever its language.
    return readdirSync(directory).toSorted((one, other) => (one < other ? -1 : 1));
  } catch (error) {
    throw new UsageError(`-f ${given}: ${directory} can not be read (${failureReason(error)})`, {
      code: 'input_invalid',
      hint: 'check its permissions, or leave it out by a .cllmignore',
      cause: error,
    });
  }
}

function read(file: string, name: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`-f ${name}: cannot be read (${errorCode(error) ?? failureReason(error)})`, {
      code: 'input_invalid',
      hint: 'check its permissions, or leave it out by a .cllmignore',
      cause: error,
    });
  }
}
