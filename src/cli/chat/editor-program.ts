import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageError } from '../../errors.ts';
import { decodeText } from '../../files/text-encoding.ts';
import type { Io } from '../io.ts';
import { withoutFinal } from '../../protocol/fold-lines.ts';

/**
 * Has a text written in the user's own editor, which gets the terminal for that time.
 *
 * @throws UsageError when there is no editor or it fails; nothing is sent then
 */
export async function editText(text: string, io: Io): Promise<string> {
  const editor = io.env['VISUAL'] || io.env['EDITOR'] || 'vi';
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-edit-'));
  const file = path.join(directory, 'prompt.md');
  try {
    writeFileSync(file, text, { mode: 0o600 });
    // The variable is a command line, not a file's name: `code --wait`.
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'editor', file], { stdio: 'inherit' });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    if (code !== 0) {
      throw new UsageError(`the editor ${editor} ended with ${code ?? 'a signal'}`, {
        hint: 'nothing was sent; set VISUAL or EDITOR to another one',
      });
    }
    const decoded = decodeText(readFileSync(file));
    if (decoded.problem === null) return withoutFinal('\n', decoded.text);
    throw new UsageError(`the text of the editor ${decoded.problem}`, {
      hint: 'nothing was sent; write it as UTF-8',
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
