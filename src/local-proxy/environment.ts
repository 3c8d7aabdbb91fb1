import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** What every program needs to find its way about: no keys. */
const ofEveryProgram =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_\w+|LD_LIBRARY_PATH|NIX_\w+|__CF_USER_TEXT_ENCODING)$/;

/** The way to a package index or an image registry, and how pip, uv, docker and pyenv are set up here. */
const ofInstallers =
  /^(?:(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|(?:REQUESTS|CURL)_CA_BUNDLE|PIP_\w+|UV_\w+|DOCKER_\w+|PYENV_\w+)$/i;

/** Never, whatever a configuration names: the key of the team's proxy, which is nothing to a proxy on this machine. */
const ofTheTeam = new Set(['LITELLM_PROXY_API_KEY', 'LITELLM_PROXY_URL']);

/**
 * The environment of what installs LiteLLM, as an allow-list: a hundred packages of strangers are set up there, and a
 * developer's shell is full of keys.
 */
export function installerEnvironment(environment: Environment): Record<string, string> {
  return picked(environment, (name) => ofEveryProgram.test(name) || ofInstallers.test(name));
}

/** What turns something on in LiteLLM itself, and can stand nowhere else: how much it logs, whether it starts programs as MCP servers. */
const switches = ['LITELLM_LOG', 'LITELLM_ENABLE_MCP_STDIO'] as const;

/**
 * The environment of LiteLLM itself: what every program needs, and what its configuration names with `os.environ/NAME`, so
 * that a provider's key is there and no other one.
 */
export function proxyEnvironment(environment: Environment, named: readonly string[]): Record<string, string> {
  const allowed = new Set<string>([...switches, ...named.filter((name) => !ofTheTeam.has(name))]);
  return picked(environment, (name) => ofEveryProgram.test(name) || ofInstallers.test(name) || allowed.has(name));
}

/** The variables that a configuration names, those of the files that it includes too. */
export async function namedVariables(configFile: string): Promise<string[]> {
  const config = await readFile(configFile, 'utf8');
  const included = [...config.matchAll(/^\s*-\s*["']?([\w./-]+\.ya?ml)["']?\s*$/gm)].map((match) => match[1] ?? '');
  const texts = await Promise.all(
    included.map((file) => readFile(join(dirname(configFile), file), 'utf8').catch(() => '')),
  );
  const names = [config, ...texts].flatMap((text) => [...text.matchAll(/os\.environ\/(\w+)/g)]);
  return [...new Set(names.map((match) => match[1] ?? ''))];
}

/**
 * Whether a configuration has an MCP server that LiteLLM would have to start as a program, which nobody has let it do: it
 * leaves the server out, and says so in its log alone.
 */
export function wantsStdio(environment: Environment, config: string): boolean {
  return (
    /^\s*-?\s*transport:\s*["']?stdio\b/m.test(config) &&
    environment['LITELLM_ENABLE_MCP_STDIO']?.trim().toLowerCase() !== 'true'
  );
}

/** Keys of providers that are at hand and that no configuration names: LiteLLM does not get them. */
export function unnamedKeys(environment: Environment, named: readonly string[]): string[] {
  return Object.keys(environment).filter(
    (name) => /^[A-Z]\w*_API_KEY$/.test(name) && environment[name] && !ofTheTeam.has(name) && !named.includes(name),
  );
}

function picked(environment: Environment, isAllowed: (name: string) => boolean): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && isAllowed(name)) found[name] = value;
  }
  return found;
}
