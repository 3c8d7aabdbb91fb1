import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { failureReason } from '../files/file-error.ts';
import { lockFile } from '../files/file-lock.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { createPrivateFile, securePrivateDirectory } from '../files/private-files.ts';
import { replaceFile } from '../files/replace-file.ts';
import { identifyProcess } from '../files/process-identity.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';

/** A key as it is handed over: a line of the file of new keys. */
export interface NewKey {
  alias: string;
  key: string;
  user_id: string | null;
  team: string | null;
  created_at: string;
}

/** LiteLLM's name for a key, which tells nothing of it. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function randomKey(): string {
  return `sk-${randomBytes(24).toString('base64url')}`;
}

/**
 * The keys that this machine chose and nobody has yet. A key is written here, to the disk, before the proxy is told of it,
 * and goes from here after it was handed over: whatever ends the run, the next one has the key, and no key is lost.
 */
export class PendingKeys {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #release: () => void;
  readonly #kept: Map<string, NewKey>;

  private constructor(file: string, descriptor: number, release: () => void, kept: Map<string, NewKey>) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#release = release;
    this.#kept = kept;
  }

  /** @throws CllmError when it can not be kept, or another cllm of this user makes keys for this proxy */
  static open(dataDirectory: string, baseUrl: string, own: OwnProcess): PendingKeys {
    const directory = join(dataDirectory, 'new-keys');
    securePrivateDirectory(directory, own.uid);
    const file = join(directory, `${createHash('sha256').update(baseUrl).digest('hex').slice(0, 20)}.jsonl`);
    const release = soleMaker(file, own);
    try {
      const { descriptor, lines } = openLines(file, 'the keys that are not handed over yet', own.uid);
      return new PendingKeys(file, descriptor, release, new Map(lines.map((line) => [line.alias, line])));
    } catch (error) {
      release();
      throw error;
    }
  }

  /** What an earlier run chose and did not hand over. */
  get left(): NewKey[] {
    return [...this.#kept.values()];
  }

  /** The key for an alias: what an earlier run chose for it, else a new one; on the disk when this returns. */
  choose(alias: string, facts: { userId: string | null; team: string | null; now: Date }): NewKey {
    const earlier = this.#kept.get(alias);
    // Whose it is may have changed in the file since then.
    if (earlier !== undefined) return { ...earlier, user_id: facts.userId, team: facts.team };
    const chosen: NewKey = {
      alias,
      key: randomKey(),
      user_id: facts.userId,
      team: facts.team,
      created_at: facts.now.toISOString(),
    };
    append(this.#descriptor, chosen);
    this.#kept.set(alias, chosen);
    return chosen;
  }

  /** It was handed over, or is nobody's. */
  forget(alias: string): void {
    this.#kept.delete(alias);
  }

  /** What was not handed over stays for the next run. */
  close(): void {
    try {
      if (this.#kept.size === 0) rmSync(this.#file, { force: true });
      else replaceFile(this.#file, [...this.#kept.values()].map((each) => lineText(each)).join(''));
    } catch {
      // On a full disk, say. What stands there holds no less, and no file of new keys gets a key twice.
    } finally {
      closeSync(this.#descriptor);
      this.#release();
    }
  }
}

function soleMaker(file: string, own: OwnProcess): () => void {
  try {
    return lockFile(file, identifyProcess(own.pid));
  } catch (cause) {
    if (!(cause instanceof CllmError)) throw cause;
    throw new CllmError('output_failed', 'another cllm of yours is making keys for this proxy', {
      cause,
      hint: 'wait until it has ended, then run this again',
    });
  }
}

/** Where new keys go: each once, and there when `add` returns. */
export interface KeyOutput {
  add(key: NewKey): void | Promise<void>;
  /** Whether it has the key with that hash. */
  has(hash: string): boolean;
  close(): void;
}

/** A file that only its owner can read, a key a line as JSON; what it holds stays. */
export class KeyFile implements KeyOutput {
  readonly #descriptor: number;
  readonly #release: () => void;
  /** By their hashes. */
  readonly #known: Set<string>;

  private constructor(descriptor: number, release: () => void, known: Set<string>) {
    this.#descriptor = descriptor;
    this.#release = release;
    this.#known = known;
  }

  /**
   * @param file absolute
   * @throws UsageError `input_invalid` when it can not be written, is another user's, or holds anything else
   */
  static open(file: string, own: OwnProcess): KeyFile {
    if (!existsSync(dirname(file))) throw unusable(file, 'is in a folder that does not exist', 'make the folder first');
    const release = lockFile(file, identifyProcess(own.pid));
    try {
      const { descriptor, lines } = openLines(file, 'new keys', own.uid);
      return new KeyFile(descriptor, release, new Set(lines.map(({ key }) => hashOf(key))));
    } catch (error) {
      release();
      throw error;
    }
  }

  has(hash: string): boolean {
    return this.#known.has(hash);
  }

  add(key: NewKey): void {
    const hash = hashOf(key.key);
    if (this.#known.has(hash)) return;
    append(this.#descriptor, key);
    this.#known.add(hash);
  }

  close(): void {
    closeSync(this.#descriptor);
    this.#release();
  }
}

/** The lines of a file that is to get more of them; a last line that a crash tore was never used and is taken off. */
function openLines(file: string, what: string, uid: number | null): { descriptor: number; lines: NewKey[] } {
  let descriptor: number;
  try {
    const made = createPrivateFile(file);
    if (made !== null) closeSync(made);
    descriptor = openSync(file, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    // The name has to outlive a loss of power as what stands under it does.
    if (made !== null) syncDirectory(dirname(file));
  } catch (error) {
    throw unusable(
      file,
      `can not be written (${failureReason(error)})`,
      'name a file of your own, in a folder of your own',
    );
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw unusable(file, 'is no file', 'name a new one');
    if (uid !== null && stats.uid !== uid) throw unusable(file, "is another user's", 'name a new one');
    if ((stats.mode & 0o077) !== 0) {
      throw unusable(file, 'can be read by others', `close it first: chmod 600 ${file}`);
    }
    const text = readFileSync(descriptor, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = whole
      .split('\n')
      .slice(0, -1)
      .map((line) => lineOf(line));
    if (!lines.every((line) => line !== null)) {
      throw unusable(file, `holds something else than ${what}`, 'name a new file');
    }
    if (whole.length < text.length) ftruncateSync(descriptor, Buffer.byteLength(whole));
    return { descriptor, lines };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function lineOf(line: string): NewKey | null {
  try {
    const value: unknown = JSON.parse(line);
    if (!isJsonObject(value) || typeof value['alias'] !== 'string' || typeof value['key'] !== 'string') return null;
    const { user_id: userId, team, created_at: createdAt } = value;
    return {
      alias: value['alias'],
      key: value['key'],
      user_id: typeof userId === 'string' ? userId : null,
      team: typeof team === 'string' ? team : null,
      created_at: typeof createdAt === 'string' ? createdAt : '',
    };
  } catch {
    return null;
  }
}

/** A key as a line of the file. */
export function lineText(key: NewKey): string {
  return `${JSON.stringify(key)}\n`;
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The whole line, or nothing of it. @throws CllmError `output_failed` */
function append(descriptor: number, key: NewKey): void {
  const { size } = fstatSync(descriptor);
  try {
    const bytes = Buffer.from(lineText(key));
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } catch (cause) {
    try {
      // A full disk takes a piece of a line, and what another step wrote next would be one line with it.
      ftruncateSync(descriptor, size);
    } catch {
      // Then the next run takes it off.
    }
    throw new CllmError('output_failed', `a new key could not be written (${failureReason(cause)})`, { cause });
  }
}

function unusable(file: string, why: string, hint: string): UsageError {
  return new UsageError(`${file} ${why}`, { code: 'input_invalid', hint });
}
