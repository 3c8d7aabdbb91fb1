import path from 'node:path';
import { failureReason } from '../../../files/file-error.ts';
import { CllmError, InterruptedError, UsageError } from '../../../outcome/errors.ts';
import { decodeText } from '../../../files/text-encoding.ts';
import { readCllmJson } from '../../../history/cllm-json.ts';
import type { ImportReport } from '../../../history/transfer.ts';
import { conversationMarkdown } from '../../../history/markdown.ts';
import { command } from '../../command.ts';
import { choice, optionalWord, toggle } from '../../flags/flag.ts';
import type { Io } from '../../io.ts';
import { inputBytes, namedFileBytes } from '../../input/named-file.ts';
import { safeJson } from '../../../terminal/terminal-safe.ts';
import { assertWhole } from './common.ts';

export const exportHistory = command({
  usage: 'export [name]',
  describe: 'conversations as JSON lines that import takes again, or one as Markdown',
  words: { name: optionalWord('one conversation; default all', 'conversations') },
  flags: { format: choice('default jsonl', ['jsonl', 'markdown']) },
  async run({ name, format }, context) {
    const history = await context.history();
    const { stdout } = context.io;
    if (format === 'markdown') {
      // In a document of all, the turns that a fork shares stand under its parent.
      for (const each of name === undefined ? history.list() : [history.find(name)]) {
        await stdout.write(
          conversationMarkdown(each, name === undefined ? history.ownTurns(each) : history.turns(each.id)),
        );
      }
      assertWhole(history);
      return null;
    }
    for (const line of history.export(name)) await stdout.write(`${safeJson(line)}\n`);
    assertWhole(history);
    return null;
  },
});

export const importHistory = command({
  usage: 'import [path]',
  describe: 'JSON lines of export, from a file or standard input',
  words: { path: optionalWord('a file, or the directory that --from names', 'files') },
  flags: { from: choice('cllm-json: the JSON directory of the original Python cllm', ['cllm-json']) },
  async run({ path: given, from }, context) {
    const place = given === undefined ? null : path.resolve(context.io.cwd, given);
    const history = await context.history();
    let report: ImportReport;
    if (from === 'cllm-json') {
      if (place === null)
        throw new UsageError('which directory?', {
          hint: 'cllm history import --from cllm-json ~/.cllm/conversations',
        });
      report = history.import(readCllmJson(place));
    } else {
      report = history.import(await readLines(context.io, place));
    }
    const renamed = report.renamed.map(({ from: old, to }) => `${old} is ${to} here`).join(', ');
    context.remark(
      `${report.added} added, ${report.extended} extended, ${report.unchanged} there already${renamed === '' ? '' : `; ${renamed}`}`,
    );
    return null;
  },
});

export const verify = command({
  usage: 'verify',
  describe: 'check every page, every checksum and the search index',
  flags: { repair: toggle('build a damaged search index again') },
  async run({ repair }, context) {
    const history = await context.history();
    let report = history.verify();
    if (repair && report.problems.some(({ kind }) => kind === 'search')) {
      history.rebuildSearch();
      report = history.verify();
    }
    const { stdout } = context.io;
    for (const { kind, message } of report.problems) await stdout.write(`${kind}\t${message}\n`);
    if (report.problems.length > 0) {
      throw new CllmError(
        'history_unusable',
        `${context.paths.historyFile} is damaged in ${report.problems.length} places`,
        {
          hint: report.problems.every(({ kind }) => kind === 'search')
            ? 'only the search index is: cllm history verify --repair builds it again'
            : 'save what can be read: cllm history export > history.jsonl',
        },
      );
    }
    await stdout.write(`${report.conversations} conversations, ${report.turns} turns: all as they were written\n`);
    return null;
  },
});

async function readLines(io: Io, file: string | null): Promise<Iterable<string>> {
  if (file === null && io.stdin.kind === 'terminal') {
    throw new UsageError('which file?', { hint: 'cllm history import history.jsonl, or pipe it in' });
  }
  if (file === null) io.stdin.claim('the import');
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of file === null ? inputBytes('standard input', io) : namedFileBytes(file, file, io))
      pieces.push(piece);
  } catch (cause) {
    if (cause instanceof InterruptedError) throw cause;
    throw new UsageError(`${file ?? 'standard input'} cannot be read (${failureReason(cause)})`, {
      code: 'input_invalid',
      hint: 'check the path',
      cause,
    });
  }
  const name = file ?? 'standard input';
  const bytes = Buffer.concat(pieces);
  // On line feeds only: other separators may stand inside a JSON string.
  return bytes.length <= longestLine ? decoded(bytes, name).split('\n') : linesOf(bytes, name);
}

/** Longer than any conversation, and well below what a string can hold. */
const longestLine = 256 * 1024 * 1024;

/** A history that is too large for one string, line by line. */
function* linesOf(bytes: Buffer, name: string): Generator<string> {
  let number = 1;
  for (let start = 0; start <= bytes.length; number += 1) {
    const found = bytes.indexOf(0x0a, start);
    const end = found === -1 ? bytes.length : found;
    if (end - start > longestLine) {
      throw new UsageError(`line ${number} can not be imported: it is longer than 256 MiB`, {
        code: 'input_invalid',
        hint: 'nothing was imported; give a file that `cllm history export` wrote',
      });
    }
    yield decoded(bytes.subarray(start, end), name);
    start = end + 1;
  }
}

function decoded(bytes: Buffer, name: string): string {
  const found = decodeText(bytes);
  if (found.problem === null) return found.text;
  throw new UsageError(`${name} ${found.problem}`, { code: 'input_invalid', hint: found.hint });
}
