import { UsageError } from '../../outcome/errors.ts';
import type { Io } from '../io.ts';

/** What stands where a name is meant is sent, kept and shown: none of that may happen to a key. */
export function refuseKey({ secrets }: Io, what: string, name: string): void {
  if (!secrets.isKey(name)) return;
  throw new UsageError(`${what} that was named is a key`, {
    hint: 'a key never stands on the command line: LITELLM_PROXY_API_KEY, --api-key-file or cllm login',
  });
}
