import { Credentials } from '../../../config/credentials.ts';
import { listUserSettings, setSetting } from '../../../config/edit.ts';
import type { Json } from '../../../protocol/types.ts';
import { isLive } from '../../../local-proxy/health.ts';
import type { Machine } from '../../../local-proxy/machine.ts';
import type { ProvisionReport } from '../../../local-proxy/provision.ts';
import type { ServiceOptions } from '../../../local-proxy/service.ts';
import path from 'node:path';
import type { Paths } from '../../../config/paths.ts';
import type { Io } from '../../io.ts';
import { drawn, ours } from '../../../terminal/own-text.ts';
import { terminalSafe } from '../../../terminal/terminal-safe.ts';
import { shellWord } from '../../../protocol/shell-word.ts';

/** Where the proxy of this machine lives, and what it may use of the machine. */
export function localProxy(paths: Paths, io: Io): ServiceOptions {
  const machine: Machine = {
    environment: io.env,
    platform: io.platform,
    uid: io.uid,
    processId: io.pid,
    kill: (processId, signal) => io.kill(processId, signal),
  };
  return { machine, directory: path.join(paths.dataDirectory, 'proxy') };
}

/** Progress for people: one line that changes on a terminal, elsewhere a line now and then that shows that it lives. */
export class Progress {
  readonly #io: Io;
  readonly #remark: (text: string) => void;
  #lastLineAt = -Infinity;
  #hasOpenLine = false;

  constructor(io: Io, remark: (text: string) => void) {
    this.#io = io;
    this.#remark = remark;
  }

  report({ type, message }: ProvisionReport): void {
    const { stderr, now } = this.#io;
    if (type === 'progress' && stderr.isTTY) {
      const text = terminalSafe(stderr.masked(message).replaceAll(/\s+/g, ' '));
      void stderr.write(ours`\r\u001b[K  ${text.slice(0, Math.max(20, stderr.columns - 3))}`);
      this.#hasOpenLine = true;
      return;
    }
    if (type === 'progress' && now() - this.#lastLineAt < 10_000) return;
    this.#lastLineAt = now();
    this.end();
    this.#remark(message);
  }

  /** Takes the changing line off the screen. */
  end(): void {
    if (this.#hasOpenLine) void this.#io.stderr.write(drawn('\r\u001b[K'));
    this.#hasOpenLine = false;
  }
}

/**
 * Makes the proxy the one that `cllm "hello"` asks: its key as `cllm login` would keep it, its base URL and model as
 * defaults. A base URL or a model that somebody chose before stays theirs.
 *
 * @returns the command that asks it, as far as the defaults allow the short one
 */
export async function adopt(
  paths: Paths,
  io: Io,
  proxy: { baseUrl: string; masterKey: string; model: string | null },
): Promise<string> {
  await new Credentials(paths.credentialsFile, io).set(proxy.baseUrl, proxy.masterKey);
  const own = new Map<string, Json>(listUserSettings(paths.userFile, io.uid).map(({ name, value }) => [name, value]));
  const words = ['cllm'];
  if (await isFree(own.get('base_url'), proxy.baseUrl))
    await setSetting(paths.userFile, 'base_url', proxy.baseUrl, '/', io);
  else words.push('--base-url', shellWord(proxy.baseUrl, 'URL'));
  if (proxy.model !== null && !own.has('model')) await setSetting(paths.userFile, 'model', proxy.model, '/', io);
  else if (proxy.model !== null && own.get('model') !== proxy.model) words.push('-m', shellWord(proxy.model, 'NAME'));
  return `${words.join(' ')} "hello"`;
}

/** An address on this machine at which nobody answers any more was that of an earlier proxy. */
async function isFree(baseUrl: Json | undefined, wanted: string): Promise<boolean> {
  if (typeof baseUrl !== 'string' || baseUrl === wanted) return true;
  return /^http:\/\/127\.0\.0\.1:\d+$/.test(baseUrl) && !(await isLive(baseUrl));
}
