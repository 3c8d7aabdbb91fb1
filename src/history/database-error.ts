import { CllmError } from '../outcome/errors.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html), as `errcode & 0xff`. */
const codes = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  notADatabase: 26,
} as const;

/** SQLITE_CORRUPT_VTAB: the search index is damaged, which can be built again from the turns; the turns are not. */
const corruptIndex = 267;

/** The addon gives the result code of `run` and `exec`; of `get` and `all` it gives SQLite's text for it alone. */
const codeOfText = new Map<string, number>([
  ['database is locked', codes.busy],
  ['database table is locked', codes.locked],
  ['attempt to write a readonly database', codes.readOnly],
  ['disk I/O error', codes.ioError],
  ['database disk image is malformed', codes.corrupt],
  ['database or disk is full', codes.full],
  ['unable to open database file', codes.cantOpen],
  ['file is not a database', codes.notADatabase],
]);

/** The number that SQLite gave the failure, 1 when it gave none; null when the error is none of SQLite's. */
function resultCode(error: unknown): number | null {
  const { code, errcode, message } = (error ?? {}) as { code?: unknown; errcode?: unknown; message?: unknown };
  if (typeof errcode === 'number') return errcode;
  return code === 'ERR_SQLITE_ERROR' ? (codeOfText.get(message as string) ?? 1) : null;
}

/** Whether the file can be read at best: its disk is full, or it lies where we may not write. */
export function isWriteRefusal(error: unknown): boolean {
  const code = resultCode(error);
  return code !== null && [codes.readOnly, codes.ioError, codes.full, codes.cantOpen].includes((code & 0xff) as 8);
}

export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code !== null && ((code & 0xff) === codes.busy || (code & 0xff) === codes.locked);
}

/** Whether the file itself is damaged: its pages make no sense, or it is no database at all. */
export function isDamage(error: unknown): boolean {
  const code = resultCode(error);
  return code !== null && code !== corruptIndex && ((code & 0xff) === codes.corrupt || code === codes.notADatabase);
}

export function isIndexDamage(error: unknown): boolean {
  return resultCode(error) === corruptIndex;
}

/** What SQLite says, in words that name the file and the next step. Errors that are not SQLite's pass unchanged. */
export function databaseError(error: unknown, path: string, busyTimeout: number): unknown {
  if (isTooLarge(error)) {
    return new CllmError('history_unusable', `${path} holds a number that cllm never wrote`, {
      cause: error,
      hint: 'see where: `cllm history verify`',
    });
  }
  const code = resultCode(error);
  if (code === null) return error;
  const [problem, hint] = describe(code, busyTimeout);
  return new CllmError('history_unusable', `${path} ${problem}`, { cause: error, hint });
}

/** An integer that a number of JavaScript can not hold. The message has the number and nothing else of the file. */
function isTooLarge(error: unknown): boolean {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' && message.startsWith('Value is too large to be represented');
}

function describe(code: number, busyTimeout: number): [problem: string, hint: string] {
  switch (code & 0xff) {
    case codes.busy:
    case codes.locked:
      return [
        `is locked by another process (waited ${busyTimeout / 1000} s)`,
        'try again when the other cllm, or a program that has the file open, is done',
      ];
    case codes.full:
      return ['can not grow: the disk is full', 'free some space and try again; nothing that was saved is lost'];
    case codes.readOnly:
    case codes.cantOpen:
      return ['can not be opened for writing', 'see who owns it and its directory: `cllm history path` names it'];
    case codes.corrupt:
    case codes.notADatabase:
      return ['is damaged', 'see how much: `cllm history verify`'];
    case codes.ioError:
      // Under WAL a full disk fails in the file beside the database, before any write; SQLite calls that an I/O error.
      return [
        'can not be read or written (I/O error): the disk is full, or fails',
        'free some space and try again; `cllm history verify` tells whether the file is sound',
      ];
    default:
      return [`failed (SQLite result ${code})`, 'see whether the file is sound: `cllm history verify`'];
  }
}
