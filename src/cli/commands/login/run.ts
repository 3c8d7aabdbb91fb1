import { normalizeBaseUrl } from '../../../client/base-url.ts';
import { Credentials, maskKey, readKey, type Session } from '../../../config/credentials.ts';
import { listUserSettings, setSetting } from '../../../config/edit.ts';
import { describeOrigin, type Settings } from '../../../config/settings.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { redactSecrets } from '../../../protocol/redact-secrets.ts';
import type { Context } from '../../context.ts';
import { isAgreed } from '../../input/question.ts';
import { askLine, readSecret } from '../../input/secret.ts';
import { shellWord } from '../../../protocol/shell-word.ts';

const pipeHint = 'pipe it in: printf %s "$KEY" | cllm login --base-url URL';

/**
 * Asks for a key, shows it to the proxy, and keeps it for that base URL alone. A key that the proxy refuses, or that
 * could not be shown to it, is not kept unless `--no-check` says so.
 *
 * A project file's base URL is only offered to a person, who sees where it comes from: `cllm.yaml` may have come with
 * somebody else's repository, and this is the one moment when a key is handed over. A piped key never goes there.
 */
export async function login(
  {
    baseUrl: named,
    check,
    browser,
    printKey,
  }: {
    readonly baseUrl: string | undefined;
    readonly check: boolean;
    readonly browser: boolean | undefined;
    readonly printKey: boolean;
  },
  context: Context,
): Promise<null> {
  if (printKey) return printFreshKey(context);
  const { io, paths } = context;
  const settings = await context.settings();
  const baseUrl = normalizeBaseUrl(await whichProxy(named, context, settings));
  const { key, session } = await keyFor(baseUrl, browser, context);
  const served = check ? await modelsFor(context, baseUrl, key) : null;
  const isUsedUp = served === 'over budget';

  const { movedTo } = await new Credentials(paths.credentialsFile, io).set(baseUrl, key, { session });
  if (movedTo !== null) context.remark(`the file of keys could not be read and was moved to ${movedTo}`);
  const seen = seenOf(served);
  context.remark(`the key ${maskKey(key)} is kept for ${baseUrl} (${seen})`);
  await makeDefault(named, context, baseUrl, settings);
  if (io.env['LITELLM_PROXY_API_KEY']) {
    context.remark('LITELLM_PROXY_API_KEY is set and comes first for your own base URL; unset it to use the kept key');
  }
  if (isUsedUp) context.remark('its budget is used up: cllm whoami');
  if (settings.model.value === null && served !== null && !isUsedUp) {
    const example = shellWord(served[0] ?? '', 'NAME');
    context.remark(`next: cllm config set model ${example}${served.length > 1 ? ' (cllm models lists them)' : ''}`);
  }
  return null;
}

/** Entered, piped, or by a sign-in where the proxy knows one and that is wanted: Enter alone at a terminal. */
async function keyFor(
  baseUrl: string,
  browser: boolean | undefined,
  context: Context,
): Promise<{ key: string; session: Session | null }> {
  const { io } = context;
  const isAtTerminal = io.stdin.kind === 'terminal';
  if (browser !== undefined || isAtTerminal) {
    const signIn = await import('./sign-in.ts');
    if (browser === false) return { key: await signIn.byDevice(baseUrl, context), session: null };
    if (browser === true) return signIn.byBrowser(baseUrl, context);
    if (await signIn.isKnown(baseUrl, context)) {
      const typed = await readSecret(
        io,
        `Key for ${baseUrl} (not shown; Enter alone: sign in with the browser): `,
        pipeHint,
      );
      if (typed.trim() === '') return signIn.byBrowser(baseUrl, context);
      return { key: readKey(typed, 'the key'), session: null };
    }
  }
  return { key: readKey(await readSecret(io, `Key for ${baseUrl} (not shown): `, pipeHint), 'the key'), session: null };
}

/** For other programs' helpers; a terminal keeps what it shows. */
async function printFreshKey(context: Context): Promise<null> {
  const { io } = context;
  const { key } = await context.apiKey();
  const { baseUrl } = await context.settings();
  if (key === null) {
    throw new CllmError('no_key', `there is no key for ${baseUrl.value}`, { hint: 'cllm login keeps one' });
  }
  if (io.stdout.isTTY && !(await isAgreed(`show the key for ${baseUrl.value} on this terminal?`, false, io)))
    return null;
  await io.stdout.write(`${key}\n`);
  return null;
}

/** The flag, else a person's answer, else what is set outside of any project file. */
async function whichProxy(named: string | undefined, context: Context, settings: Settings): Promise<string> {
  const { baseUrl, ownBaseUrl } = settings;
  if (named !== undefined) return ownBaseUrl;
  const isForeign = baseUrl.value !== ownBaseUrl;
  const source = describeOrigin(baseUrl.origin);
  if (context.io.stdin.kind !== 'terminal') {
    if (isForeign)
      context.remark(
        `the key is for ${ownBaseUrl}, not for ${baseUrl.value} of ${source}: that is cllm login --base-url ${shellWord(baseUrl.value, 'URL')}`,
      );
    return ownBaseUrl;
  }
  if (isForeign) context.remark(`${source} names ${baseUrl.value}; without it the proxy is ${ownBaseUrl}`);
  const offered = !isForeign || (await isProjectAllowed(context)) ? baseUrl.value : ownBaseUrl;
  return (await askLine(context.io, `Base URL of the proxy [${offered}]: `)) || offered;
}

/** Enter alone must not hand a key to whom a file names: what is offered is what somebody said yes to. */
async function isProjectAllowed(context: Context): Promise<boolean> {
  try {
    await context.assertTrusted();
    return true;
  } catch (error) {
    if (error instanceof CllmError && error.code === 'project_untrusted') return false;
    throw error;
  }
}

function seenOf(served: string[] | 'over budget' | null): string {
  if (served === null) return 'not checked';
  if (served === 'over budget') return 'taken';
  return served.length === 1 ? '1 model' : `${served.length} models`;
}

/** The models that a key may use; a key whose budget is used up is a good one all the same. */
async function modelsFor(context: Context, baseUrl: string, key: string): Promise<string[] | 'over budget'> {
  const { LiteLLMClient } = await import('../../../client/client.ts');
  const client = new LiteLLMClient(await context.clientOptions(key, baseUrl));
  try {
    return (await client.models({ signal: context.io.signal })).map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof CllmError) || error.code === 'interrupted') throw error;
    if (error.code === 'budget_exceeded') return 'over budget';
    const isRefused = error.code === 'key_rejected' || error.code === 'no_key';
    throw new CllmError(error.code, `the key was not kept: ${redactSecrets(error.message)}`, {
      cause: error,
      hint: isRefused
        ? 'check that it is a key of this proxy, whole and without quotes; an admin of the proxy makes new ones'
        : `${error.hint ?? 'see `cllm doctor`.'} To keep the key unchecked: cllm login --no-check`,
    });
  } finally {
    await client.close();
  }
}

/**
 * The first proxy that somebody logs in to is the one they mean from now on; but one that a project file brought is meant
 * where that file is, for keys that are bound to no URL would go to it from everywhere.
 */
async function makeDefault(
  named: string | undefined,
  context: Context,
  baseUrl: string,
  settings: Settings,
): Promise<void> {
  const own = listUserSettings(context.paths.userFile, context.io.uid).find(({ name }) => name === 'base_url')?.value;
  const isProjects = named === undefined && baseUrl !== settings.ownBaseUrl && baseUrl === settings.baseUrl.value;
  if (isProjects) {
    context.remark(
      `it is the proxy of this project; to ask it everywhere: cllm config set base_url ${shellWord(baseUrl, 'URL')}`,
    );
  } else if (own === undefined) {
    await setSetting(context.paths.userFile, 'base_url', baseUrl, '/', context.io);
    context.remark(`${baseUrl} is the default from now on (cllm config unset base_url takes that back)`);
  } else if (typeof own === 'string' && normalizeBaseUrl(own) !== baseUrl) {
    context.remark(
      `the default stays ${own}; use the other one with --base-url, or: cllm config set base_url ${shellWord(baseUrl, 'URL')}`,
    );
  }
}
