import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageError } from '../../../outcome/errors.ts';
import { decodeText } from '../../../files/text-encoding.ts';
import type { Io } from '../../io.ts';
import { withoutFinal } from '../../../protocol/fold-lines.ts';

/** What an editor needs of a terminal, a desktop, a session on another machine and its own settings: no keys. */
const ofEditors = new RegExp(
  '^(?:' +
    [
      'PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|LANGUAGE|LC_\\w+|TZ|TMPDIR|XDG_\\w+|LD_LIBRARY_PATH|NIX_\\w+',
      'TERM|TERMINFO\\w*|TERM_PROGRAM\\w*|COLORTERM|COLUMNS|LINES|NO_COLOR|TMUX\\w*|STY|WINDOW',
      'DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|DESKTOP_SESSION|WSL\\w*|__CF\\w*|SSH_(?:CONNECTION|CLIENT|TTY)',
      'EDITOR|VISUAL|ALTERNATE_EDITOR|PAGER|LESS\\w*|N?VIM\\w*|MYVIMRC|EMACS\\w*|INSIDE_EMACS|HELIX_\\w+|KAKOUNE_\\w+|VSCODE_\\w+',
    ].join('|') +
    ')$',
);

function editorEnvironment(environment: Io['env']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => ofEditors.test(name) && !/(?:KEY|TOKEN|SECRET|PASSWORD)$/.test(name),
    ),
  );
}

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
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'editor', file], {
      stdio: 'inherit',
      env: editorEnvironment(io.env),
    });
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
