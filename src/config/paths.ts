import { userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** The environment as it was given to the program; config/ never reads `process.env` itself. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where cllm keeps what it keeps. All absolute. */
export interface Paths {
  configDirectory: string;
  /** The user file: settings, never a key. */
  userFile: string;
  /** Keys, each bound to the base URL it was entered for. */
  credentialsFile: string;
  /** What people allowed project files, a file each. */
  trustDirectory: string;
  /** The user's own templates. */
  templateDirectory: string;
  dataDirectory: string;
  historyFile: string;
  journalDirectory: string;
}

/**
 * The XDG directories, or one directory for everything when `CLLM_HOME` is set (tests and portable set-ups use that).
 * A relative `XDG_*` is ignored, as the XDG base directory specification asks; a relative `CLLM_HOME` is taken from the
 * working directory, because somebody typed it.
 */
export function configPaths(env: Environment, cwd: string, accountHome = () => userInfo().homedir): Paths {
  const cllmHome = env['CLLM_HOME'] ? resolve(cwd, env['CLLM_HOME']) : null;
  const home = (): string => homeDirectory(env, accountHome);
  const configDirectory = cllmHome ?? join(absolute(env['XDG_CONFIG_HOME']) ?? join(home(), '.config'), 'cllm');
  const dataDirectory = cllmHome ?? join(absolute(env['XDG_DATA_HOME']) ?? join(home(), '.local', 'share'), 'cllm');
  return {
    configDirectory,
    userFile: join(configDirectory, 'config.json'),
    credentialsFile: join(configDirectory, 'credentials.json'),
    trustDirectory: join(configDirectory, 'trust'),
    templateDirectory: join(configDirectory, 'templates'),
    dataDirectory,
    historyFile: join(dataDirectory, 'history.db'),
    journalDirectory: join(dataDirectory, 'journal'),
  };
}

/** Without HOME that of the account; without an account (`docker run -u 12345`) the root, as Docker has it. */
function homeDirectory(env: Environment, accountHome: () => string): string {
  try {
    return absolute(env['HOME']) ?? absolute(accountHome()) ?? '/';
  } catch {
    return '/';
  }
}

function absolute(value: string | undefined): string | null {
  return value !== undefined && isAbsolute(value) ? value : null;
}
