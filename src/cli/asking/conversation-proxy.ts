import { describeOrigin, type Settings } from '../../config/settings.ts';
import { shellWord } from '../../protocol/shell-word.ts';
import { UsageError } from '../../outcome/errors.ts';
import type { Io } from '../io.ts';
import { isConfirmed, mayAsk } from '../input/confirm.ts';

export interface ProxyChange {
  /** Of the conversation. */
  name: string;
  /** Where its last turn went, with all before it; null when nobody knows. */
  lastBaseUrl: string | null;
  settings: Settings;
  io: Io;
  /** `--no-stdin`: nobody is asked. */
  isInputIgnored: boolean;
}

/**
 * A base URL that a project file alone names may be trusted with what is asked in its folder, but a conversation that was
 * had with another proxy is more than that: `-c` in a clone must not carry along what was said elsewhere. One whose last
 * turn went to this proxy is known there already.
 *
 * @throws UsageError `project_untrusted` when nobody can be asked, or the answer is no
 */
export async function assertSameProxy({ name, lastBaseUrl, settings, io, isInputIgnored }: ProxyChange): Promise<void> {
  const { value: baseUrl, origin } = settings.baseUrl;
  if (lastBaseUrl === baseUrl) return;
  const had = lastBaseUrl === null ? 'with a proxy that is not known any more' : `with ${lastBaseUrl}`;
  if (mayAsk(io, isInputIgnored)) {
    const question = `The conversation ${name} was had ${had}. Send all of it to ${baseUrl}, which ${describeOrigin(origin)} names?`;
    if (await isConfirmed(question, io)) return;
  }
  throw new UsageError(
    `the conversation ${name} was had ${had}, and ${describeOrigin(origin)} names ${baseUrl}: it was not sent there`,
    {
      code: 'project_untrusted',
      hint: `begin a new one without -c and -C; or say that it is meant: --base-url ${shellWord(baseUrl, 'URL')}`,
    },
  );
}
