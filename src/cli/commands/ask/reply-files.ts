import { CllmError } from '../../../outcome/errors.ts';
import { decodedMedia, mediaOf, type ReplyMedia } from '../../../protocol/media.ts';
import type { ChatCompletion } from '../../../protocol/types.ts';
import { decidingChoice } from '../../../protocol/verdict.ts';
import type { Io } from '../../io.ts';
import { OutputFile } from '../../input/output-file.ts';

/** What became of the images or recordings of a reply that -o asked for. */
export interface WrittenMedia {
  /** By the place of each in `mediaOf()`: the file that holds it, or null. */
  files: (string | null)[];
  error: CllmError | null;
}

/**
 * Writes the images, or the recordings, of a reply: one into the file of -o, several beside it, `cat-1.png`, `cat-2.png`.
 * The bytes are those that came, whatever the suffix says: nothing is converted. What is elsewhere is not fetched.
 */
export async function writeMedia(
  file: OutputFile,
  kind: ReplyMedia['kind'],
  completion: ChatCompletion | null,
  io: Pick<Io, 'signal' | 'stderr' | 'cwd'>,
): Promise<WrittenMedia> {
  const media = mediaOf(decidingChoice(completion)?.message);
  const files: (string | null)[] = media.map(() => null);
  const wanted = media.flatMap((each, index) => {
    const bytes = each.kind === kind ? decodedMedia(each) : null;
    return bytes === null ? [] : [{ bytes, index }];
  });
  if (wanted.length === 0) return { files, error: nothingToWrite(file.name, kind, media) };
  if (wanted.length > 1 && !file.isReplaced) {
    const what = `-o ${file.name} is no file, and takes one ${nameOf(kind)}: the reply has ${wanted.length}`;
    return { files, error: new CllmError('output_failed', what, { hint: 'name a file: the others go beside it' }) };
  }
  for (const [place, { bytes, index }] of wanted.entries()) {
    const name = wanted.length === 1 ? file.name : numbered(file.name, place + 1);
    try {
      const target = wanted.length === 1 ? file : new OutputFile(name, io.cwd);
      const error = await target.write(bytes, io);
      if (error !== null) return { files, error };
    } catch (thrown) {
      if (!(thrown instanceof CllmError)) throw thrown;
      return { files, error: new CllmError('output_failed', thrown.message, { cause: thrown, hint: thrown.hint }) };
    }
    files[index] = name;
  }
  return { files, error: null };
}

function nothingToWrite(name: string, kind: ReplyMedia['kind'], media: readonly ReplyMedia[]): CllmError {
  const there = media.filter((each) => each.kind === kind);
  let why = `the reply has no ${nameOf(kind)} for -o ${name}`;
  if (there.some(({ url }) => url !== null)) why += ', only the address of one, which is not fetched';
  else if (there.length > 0) why += ': what it has is damaged';
  return new CllmError('reply_empty', why, {
    hint: `ask a model that makes ${kind === 'image' ? 'images' : 'recordings'}; its text can be written to a file of another suffix`,
  });
}

function nameOf(kind: ReplyMedia['kind']): string {
  return kind === 'image' ? 'image' : 'recording';
}

function numbered(name: string, number: number): string {
  const dot = name.lastIndexOf('.');
  return `${name.slice(0, dot)}-${number}${name.slice(dot)}`;
}
