import { spawn } from 'node:child_process';
import { CllmError } from '../../../outcome/errors.ts';
import { clipboardCode } from '../../../terminal/own-text.ts';
import type { Io } from '../../io.ts';

/** What reaches a clipboard from here: a program that takes the text on its standard input, or the terminal itself. */
export type Clipboard = readonly string[] | 'terminal';

/** What terminals of the same kind are known to take of one code; longer ones are dropped without a word. */
const mostCodeCharacters = 74_994;

/**
 * The ways to the clipboard of who sits at the keyboard, the surest first. Over SSH this machine's own clipboard is
 * somebody else's; tmux answers for what its terminals take.
 *
 * https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (OSC 52)
 */
export function clipboards({
  env,
  platform,
  stdout,
  stderr,
}: Pick<Io, 'env' | 'platform'> & { stdout: { isTTY: boolean }; stderr: { isTTY: boolean } }): Clipboard[] {
  const found: Clipboard[] = [];
  const isRemote = Boolean(env['SSH_CONNECTION'] || env['SSH_TTY']);
  if (env['TMUX']) found.push(['tmux', 'load-buffer', '-w', '-']);
  if (!isRemote) {
    if (platform === 'darwin') found.push(['pbcopy']);
    if (env['WAYLAND_DISPLAY']) found.push(['wl-copy']);
    if (env['DISPLAY']) found.push(['xclip', '-selection', 'clipboard'], ['xsel', '--clipboard', '--input']);
    if (env['WSL_DISTRO_NAME']) found.push(['clip.exe']);
  }
  const { TERM: terminal = '' } = env;
  if ((stdout.isTTY || stderr.isTTY) && !['', 'dumb', 'linux'].includes(terminal)) found.push('terminal');
  return found;
}

/**
 * @returns what to say about where the text is now
 * @throws CllmError `output_failed` where there is no clipboard, or none that takes the text
 * @throws InterruptedError after a signal
 */
export async function copyText(text: string, io: Io): Promise<string> {
  const ways = clipboards(io);
  const failures: string[] = [];
  for (const way of ways) {
    if (way === 'terminal') {
      const code = clipboardCode(text);
      if (code.toString().length > mostCodeCharacters) {
        failures.push('the terminal (the text is too long for it)');
        continue;
      }
      await (io.stdout.isTTY ? io.stdout : io.stderr).write(code);
      return 'sent to the clipboard of the terminal (OSC 52), which does not say whether it takes it';
    }
    const failure = await passTo(way, text, io);
    if (failure === null) return `copied with ${way[0]}`;
    failures.push(`${way[0]} (${failure})`);
  }
  throw new CllmError(
    'output_failed',
    failures.length === 0
      ? 'there is no clipboard here: no terminal, and no display'
      : `nothing took the text: ${failures.join(', ')}`,
    { hint: 'print it: cllm history last; or install wl-copy, xclip or xsel' },
  );
}

/** No keys, and what a program needs to reach the display, or the server of tmux. */
const needed = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'TMUX', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'];
const alsoNeeded = ['XDG_RUNTIME_DIR', 'WSL_DISTRO_NAME', 'WSL_INTEROP', '__CF_USER_TEXT_ENCODING'];

/** One that waits for a display which does not answer would wait for ever. */
const patienceMs = 10_000;

async function passTo(
  command: readonly string[],
  text: string,
  { env, signal }: Pick<Io, 'env' | 'signal'>,
): Promise<string | null> {
  const [file = '', ...words] = command;
  const given = [...needed, ...alsoNeeded].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const stop = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const failure = await new Promise<string | null>((resolve) => {
    // Those that serve a selection stay in the background, and would keep an inherited pipe open.
    const child = spawn(file, words, {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...Object.fromEntries(given), LC_CTYPE: 'UTF-8' },
      signal: stop,
      killSignal: 'SIGKILL',
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (stop.aborted) resolve(`did not end within ${patienceMs / 1000} s`);
      else resolve(error.code === 'ENOENT' ? 'is not installed' : (error.code ?? 'failed'));
    });
    child.on('exit', (code) => {
      if (code !== 0) resolve(`ended with ${code ?? 'a signal'}`);
      else resolve(child.stdin.writableFinished ? null : 'did not read all of it');
    });
    child.stdin.on('error', () => {});
    child.stdin.end(text);
  });
  signal.throwIfAborted();
  return failure;
}
