import path from 'node:path';
import type { Making } from '../../../admin/carry-out.ts';
import { KeyFile, type KeyOutput, lineText, type NewKey, PendingKeys } from '../../../admin/new-keys.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import type { Context } from '../../context.ts';
import type { Io } from '../../io.ts';

/** What of the proxy an admin asks for and does, until a signal ends it. */
export async function adminClient(context: Context): Promise<Making> {
  const client = await context.client();
  const { signal } = context.io;
  const explained = async (asked: Promise<unknown>): Promise<unknown> => {
    try {
      return await asked;
    } catch (error) {
      throw error instanceof CllmError ? withoutDatabase(error) : error;
    }
  };
  return {
    get: (asked) => explained(client.get(asked, { signal })),
    post: (told, body) => explained(client.post(told, body, { signal, isRepeatable: true })),
  };
}

/** LiteLLM says it in three ways, none of which says what to do. */
function withoutDatabase(error: CllmError): CllmError {
  if (!/(DB|database|prisma client) (is )?not (connected|initialized)|no (connected )?db/i.test(error.message))
    return error;
  return new CllmError('bad_request', 'this proxy has no database, so it has no teams, people and keys', {
    cause: error,
    hint: 'give it one: docs/team-proxy.md',
  });
}

/** The keys of this run: chosen, kept until they are handed over, and handed over to `-o`. */
export async function withNewKeys<Result>(
  given: string | undefined,
  context: Context,
  work: (keys: { pending: PendingKeys; output: KeyOutput }) => Promise<Result>,
): Promise<Result> {
  const { io, paths } = context;
  const output = keyOutput(given, io);
  try {
    const pending = PendingKeys.open(paths.dataDirectory, (await context.client()).baseUrl, io);
    try {
      return await work({ pending, output });
    } finally {
      pending.close();
    }
  } finally {
    output.close();
  }
}

function keyOutput(given: string | undefined, io: Io): KeyOutput {
  if (given === undefined) return nowhere;
  return given === '-' ? new StandardOutput(io) : KeyFile.open(path.resolve(io.cwd, given), io);
}

/** For a run that makes none. */
const nowhere: KeyOutput = {
  add: () => {
    throw noOutput('a new key has');
  },
  has: () => false,
  close: () => {},
};

/** @param what "7 new keys have" */
export function noOutput(what: string): UsageError {
  return new UsageError(`${what} to go somewhere`, {
    hint: 'name a file for them: -o new-keys.jsonl, or -o - for standard output',
  });
}

class StandardOutput implements KeyOutput {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  async add(key: NewKey): Promise<void> {
    const { stdout } = this.#io;
    await stdout.write(lineText(key));
    await stdout.flush();
    if (stdout.failure !== null || stdout.isClosed)
      throw new CllmError('output_failed', 'a new key could not be written to standard output', {
        hint: 'run it again: the key is kept until it is handed over',
      });
  }

  has(): boolean {
    return false;
  }

  close(): void {
    // It is not ours to close.
  }
}
