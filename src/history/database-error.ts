import { CllmError } from '../errors.ts';

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

/** The number that SQLite gave the failure; null when the error is none of SQLite's. */
function resultCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code : null;
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
  const code = resultCode(error);
  if (code === null) return error;
  const [problem, hint] = describe(code, busyTimeout);
  return new CllmError('history_unusable', `${path} ${problem}`, { cause: error, hint });
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
      return ['can not be read or written (I/O error)', 'look at the disk, then run `cllm history verify`'];
    default:
      return [`failed (SQLite result ${code})`, 'see whether the file is sound: `cllm history verify`'];
  }
}
