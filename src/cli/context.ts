import { type Attribution, attributionOf } from '../client/attribution.ts';
import type { ClientOptions, LiteLLMClient } from '../client/client.ts';
import { type ApiKey, resolveApiKey } from '../config/api-key.ts';
import { isCi } from '../config/ci.ts';
import { Credentials } from '../config/credentials.ts';
import { isProjectsAlone, loadSettings, type Settings } from '../config/settings.ts';
import { configPaths, type Paths } from '../config/paths.ts';
import type { Store } from '../conversation/turn.ts';
import type { DemoProxy } from '../demo/demo-proxy.ts';
import { CllmError, ProxyError, UsageError } from '../outcome/errors.ts';
import { nextStep } from '../outcome/error-table.ts';
import type { History } from '../history/history.ts';
import type { Journal } from '../journal/journal.ts';
import { clientOptions, flagSettings } from './asking/client-options.ts';
import { explainKey } from './asking/explain-key.ts';
import type { LivingKey } from './asking/living-key.ts';
import type { LoadedTemplate } from './asking/template.ts';
import { refuseKey } from './asking/refuse-key.ts';
import { readFlagFile } from './input/flag-file.ts';
import type { ContextValues } from './flags/flags.ts';
import type { Io } from './io.ts';
import { remark } from './views/report.ts';
import { asCllmError } from './thrown.ts';

/** What commands are given. The costly parts are made when they are first asked for, and once. */
export interface Context {
  readonly io: Io;
  readonly version: string;
  readonly paths: Paths;
  readonly settings: () => Promise<Settings>;
  /** What `-t` names, with its variables; null without it. */
  readonly template: () => Promise<LoadedTemplate | null>;
  /** The model to ask; none is a usage error that names what the proxy serves. */
  readonly model: () => Promise<string>;
  readonly apiKey: () => Promise<ApiKey>;
  /** An error with the hint that fits this run's key and base URL, where it is about the key. */
  readonly explained: (error: CllmError) => Promise<CllmError>;
  /** What a CI job's calls are marked with; null outside of one, and under --no-attribution. */
  readonly attribution: () => Promise<Attribution | null>;
  /**
   * Makes sure that what is sent goes where the user wants it. Making a client does so, too; who reads or writes before
   * that asks first.
   *
   * @throws UsageError `project_untrusted`
   */
  readonly assertTrusted: () => Promise<void>;
  readonly client: () => Promise<LiteLLMClient>;
  /** A further client with the same key, address and way there, and some other options; closed with the context. */
  readonly clientWith: (changes: Partial<ClientOptions>) => Promise<LiteLLMClient>;
  /** What `client()` is made from, but for the key: for commands that try another key or address, or look at the way. */
  readonly clientOptions: (apiKey: string | null, baseUrl?: string) => Promise<ClientOptions>;
  /** History and journal as far as they can be opened; `problem` has the reason why not. */
  readonly store: () => Promise<Store>;
  /** The history, for commands that are about nothing else: throws when it cannot be opened. */
  readonly history: () => Promise<History>;
  readonly journal: () => Promise<Journal>;
  /** What the command has to say besides its output. */
  readonly remark: (text: string) => void;
  /** Whether a turn of this run is in the history: what output lost can be shown again. */
  hasKeptReply: boolean;
  readonly close: () => Promise<void>;
}

export function createContext(values: ContextValues, io: Io, version: string): Context {
  const paths = configPaths(io.env, io.cwd);
  const closers: (() => Promise<void> | void)[] = [];
  const say = (text: string): void => void remark(io.stderr, text);

  const demo = once(async (): Promise<DemoProxy | null> => {
    if (values.demo !== true) return null;
    const { startDemoProxy } = await import('../demo/demo-proxy.ts');
    const proxy = await startDemoProxy();
    closers.push(() => proxy.close());
    return proxy;
  });

  const template = once(async (): Promise<LoadedTemplate | null> => {
    const { template: named, var: given = [] } = values;
    if (named === undefined) {
      if (given.length === 0) return null;
      throw new UsageError('--var is about a template, and there is none', { hint: 'name it with -t NAME' });
    }
    const { loadTemplate } = await import('./asking/template.ts');
    return loadTemplate({ named, given }, { io, paths, say, proxy: () => client() });
  });

  const isTrusted = async (used: LoadedTemplate): Promise<boolean> => {
    const { isTemplateTrusted } = await import('./asking/template-trust.ts');
    return isTemplateTrusted(used, { io, paths, trustTemplate: values.trustTemplate ?? [] });
  };

  const settings = once(async (): Promise<Settings> => settingsWith(await template()));

  // A prompt of the proxy says nothing of the way to it, which has to be known before there is one.
  const wayThere: () => Promise<Settings> =
    values.template?.startsWith('proxy:') === true ? once(() => settingsWith(null)) : settings;

  const settingsWith = async (used: LoadedTemplate | null): Promise<Settings> => {
    const loaded = await loadSettings({
      flags: await flagSettings(values, io, await demo()),
      profile: values.profile,
      template: used && {
        file: used.file,
        values: used.settings,
        isProjects: used.root !== null,
        isTrusted: used.settings.tools?.allow !== undefined && (await isTrusted(used)),
      },
      env: io.env,
      cwd: io.cwd,
      uid: io.uid,
      isProjectTrusted: values.trustProject === true,
    });
    // Of a prompt of the proxy they were said on the way there.
    if (used?.file.startsWith('proxy:') !== true) for (const warning of loaded.warnings) say(warning);
    return loaded;
  };

  const living = once(async (): Promise<LivingKey> => {
    // The demo has a key of its own, and no other one must keep a newcomer from it, a malformed one say.
    const demoKey = (await demo())?.apiKey;
    if (demoKey !== undefined)
      return { key: { key: demoKey, maskedKey: null, origin: '--demo', withheld: null }, renew: null };
    const credentials = new Credentials(paths.credentialsFile, io);
    const own = await wayThere();
    const found = resolveApiKey({ settings: own, credentials, env: io.env, keyFile: await keyFile() });
    if (own.keyCommand.value === null && !mayBeRenewed(found, credentials, own.baseUrl.value))
      return { key: found, renew: null };
    const { livingKey } = await import('./asking/living-key.ts');
    return livingKey(found, { settings: own, credentials, paths, io, way: () => clientOptionsFor(null) });
  });

  const apiKey = async (): Promise<ApiKey> => (await living()).key;

  const keyFile = async (): Promise<{ name: string; text: string } | null> => {
    const name = values.apiKeyFile;
    if (name === undefined) return null;
    // A key is short: anything larger is the wrong file.
    const text = await readFlagFile('--api-key-file', name, io, 65_536);
    io.secrets.add(text.trim());
    return { name, text };
  };

  const explained = async (error: CllmError): Promise<CllmError> => {
    // Before a proxy has spoken there may be neither key nor settings: one of them may be what is wrong.
    if (!(error instanceof ProxyError) || values.demo === true) return error;
    return explainKey(error, await apiKey(), await wayThere());
  };

  const attribution = once(async () => {
    // Elsewhere there is no need to load the list of CI systems.
    if (values.attribution === false || !isCi(io.env)) return null;
    const { ciService } = await import('./asking/ci-service.ts');
    return attributionOf(ciService, io.env, version);
  });

  const assertTrusted = once(async () => {
    const own = await wayThere();
    // The everyday case asks nothing, and loads nothing for it.
    if (own.projectFile === null) return;
    if (isProjectsAlone(own)) {
      const { assertProjectTrusted } = await import('./asking/project-trust.ts');
      await assertProjectTrusted({
        settings: own,
        paths,
        io,
        isTrustedByFlag: values.trustProject === true,
        isInputIgnored: values.stdin === false,
      });
    }
    const { sayWhatProjectSets } = await import('./asking/project-notice.ts');
    sayWhatProjectSets({ settings: own, paths, uid: io.uid, isRemembered: values.ephemeral !== true, say });
  });

  const clientOptionsFor = async (key: string | null, baseUrl?: string): Promise<ClientOptions> => {
    const own = await wayThere();
    // Another address is one that the caller got from the user.
    if (baseUrl === undefined) await assertTrusted();
    const aimed = baseUrl === undefined ? own : { ...own, baseUrl: { ...own.baseUrl, value: baseUrl } };
    return clientOptions(values, io, version, aimed, key, await demo(), await attribution());
  };

  const clientWith = async (changes: Partial<ClientOptions>): Promise<LiteLLMClient> => {
    await assertTrusted();
    const { LiteLLMClient } = await import('../client/client.ts');
    const { key, renew } = await living();
    const options = await clientOptionsFor(key.key);
    const made = new LiteLLMClient({ ...options, ...(renew !== null && { renewApiKey: renew }), ...changes });
    closers.push(() => made.close());
    return made;
  };

  const client = once(async () => {
    await assertTrusted();
    const { withheld } = await apiKey();
    if (withheld !== null) say(withheld);
    return clientWith({});
  });

  const history = once(async () => {
    const { History } = await import('../history/history.ts');
    const opened = History.open(paths.historyFile, { uid: io.uid, pid: io.pid, onWarning: say });
    closers.push(() => opened.close());
    return opened;
  });

  const journal = once(async () => {
    const { Journal } = await import('../journal/journal.ts');
    const { identifyProcess } = await import('../files/process-identity.ts');
    return new Journal(paths.journalDirectory, { uid: io.uid, identity: identifyProcess(io.pid), clock: io.now });
  });

  const store = once(async (): Promise<Store> => {
    if (values.ephemeral === true || (await settings()).history.value === 'off')
      return { history: null, journal: null, problem: null };
    const kept = await journal();
    noticeUnfinished(kept, say);
    try {
      return { history: await history(), journal: kept, problem: null };
    } catch (error) {
      return { history: null, journal: kept, problem: asCllmError(error) };
    }
  });

  return {
    io,
    version,
    paths,
    settings,
    template,
    apiKey,
    explained,
    attribution,
    assertTrusted,
    client,
    clientWith,
    clientOptions: clientOptionsFor,
    history,
    journal,
    store,
    model: async () => {
      const { model, baseUrl } = await settings();
      if (model.value !== null) {
        refuseKey(io, 'the model', model.value);
        return model.value;
      }
      throw await noModel(await client(), { baseUrl: baseUrl.value, signal: io.signal, explained });
    },
    remark: say,
    hasKeptReply: false,
    close: async () => {
      for (const close of closers.toReversed()) await close();
    },
  };
}

/** Whether the key came of a sign-in: only then is there more to load. */
function mayBeRenewed({ key, origin }: ApiKey, credentials: Credentials, baseUrl: string): boolean {
  return key !== null && origin.startsWith('login for ') && credentials.session(baseUrl) !== null;
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | null = null;
  return () => (made ??= make());
}

/** A crash must not go unnoticed; but the history is beside the point of a question, so it never keeps one from going on. */
function noticeUnfinished(journal: Journal, say: (text: string) => void): void {
  try {
    const { length } = journal.unfinished();
    if (length > 0)
      say(`${length === 1 ? 'a turn was' : `${length} turns were`} left unfinished by a crash: cllm recover`);
  } catch {
    // Whatever is wrong with the directory is said when the turn's own journal fails.
  }
}

async function noModel(
  client: LiteLLMClient,
  { baseUrl, signal, explained }: { baseUrl: string; signal: AbortSignal } & Pick<Context, 'explained'>,
): Promise<CllmError> {
  const hint = 'set a default with: cllm config set model NAME, or choose one with -m NAME';
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
    const names = (await client.models({ signal: patience })).map(({ id }) => id);
    const shown =
      names.slice(0, 12).join(', ') + (names.length > 12 ? `, … (${names.length} in all: cllm models)` : '');
    return new UsageError(`no model chosen; ${baseUrl} serves ${shown || 'none'}`, { code: 'no_model', hint });
  } catch (error) {
    if (signal.reason instanceof CllmError) return signal.reason;
    // What keeps the proxy from answering comes first: choosing a model would not help against it.
    const isKnown = error instanceof CllmError && error.code !== 'interrupted';
    const reason = error instanceof CllmError ? ` (${error.message})` : '';
    return new UsageError(`no model chosen, and the proxy could not be asked what it serves${reason}`, {
      code: 'no_model',
      hint: isKnown ? nextStep(await explained(error)) : hint,
    });
  }
}
