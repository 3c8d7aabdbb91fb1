import { UsageError } from '../../outcome/errors.ts';
import { decodeText } from '../../files/text-encoding.ts';
import type { Io } from '../io.ts';
import { readNamedFile } from './named-file.ts';

export type FlagFileIo = Pick<Io, 'cwd' | 'signal' | 'stderr' | 'stdin'>;

/**
 * The text of a file that a flag names.
 *
 * @param flag how messages name it: `--cacert`
 * @throws UsageError `input_invalid` when it can not be read, is larger than `mostBytes` or no text
 */
export async function readFlagFile(flag: string, file: string, io: FlagFileIo, mostBytes?: number): Promise<string> {
  const decoded = decodeText(await readNamedFile(file, `${flag} ${file}`, io, { mostBytes }));
  if (decoded.problem === null) return decoded.text;
  throw new UsageError(`${flag} ${file}: ${decoded.problem}`, { code: 'input_invalid', hint: decoded.hint });
}
