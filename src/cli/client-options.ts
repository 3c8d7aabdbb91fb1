import { type Attribution, attributionHeaders } from '../client/attribution.ts';
import type { ClientOptions } from '../client/client.ts';
import { proxySettingsOf } from '../client/http-proxy.ts';
import type { Settings } from '../config/settings.ts';
import type { SettingValues } from '../config/validation.ts';
import type { DemoProxy } from '../demo/demo-proxy.ts';
import { UsageError } from '../errors.ts';
import {
  fileFlag,
  type FlagFileIo,
  isSet,
  listFlag,
  numberFlag,
  pairsFlag,
  readFlagFile,
  textFlag,
} from './flag-values.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';
import { flagParams } from './request-body.ts';
import { ours } from './render/own-text.ts';

/** What the command line says, under the names that the settings files use. */
export async function flagSettings(flags: Flags, io: FlagFileIo, demo: DemoProxy | null): Promise<SettingValues> {
  const system = textFlag(flags, 'system');
  const tags = listFlag(flags, 'tag');
  const seconds = (name: string): number | undefined => numberFlag(flags, name, { least: 0 });
  return {
    base_url: demo?.baseUrl ?? textFlag(flags, 'base-url'),
    model: textFlag(flags, 'model') ?? demo?.model,
    system: system?.startsWith('@') ? await readFlagFile('-s', system.slice(1), io) : system,
    params: flagParams(flags),
    output_schema: textFlag(flags, 'output-schema'),
    render: textFlag(flags, 'render') as SettingValues['render'],
    tags: tags.length === 0 ? undefined : tags,
    timeouts: {
      connect: seconds('connect-timeout'),
      first_token: seconds('first-token-timeout'),
      idle: seconds('idle-timeout'),
      total: seconds('timeout'),
    },
  };
}

export async function clientOptions(
  flags: Flags,
  io: Io,
  version: string,
  settings: Settings,
  key: string | null,
  demo: DemoProxy | null,
  attribution: Attribution | null,
): Promise<ClientOptions> {
  const { env } = io;
  const optional = {
    apiKey: key ?? undefined,
    requireModel: textFlag(flags, 'require-model'),
    allowFallbacks: flags['fallback'] === false ? false : undefined,
    allowCache: flags['cache'] === false ? false : undefined,
    retries: numberFlag(flags, 'retries', { least: 0, isWhole: true }),
    maxReplyBytes: numberFlag(flags, 'max-reply-bytes', { least: 1, isWhole: true }),
    ca: await authorities(flags, io, settings.baseUrl.value),
    ...(await clientCertificate(flags, io)),
    onDebug: isSet(flags, 'debug') ? (line: string) => void io.stderr.write(ours`${line}\n`) : undefined,
  };
  return {
    baseUrl: settings.baseUrl.value,
    userAgent: attribution?.userAgent ?? `cllm/${version}`,
    connectTimeout: settings.timeouts.connect.value,
    firstTokenTimeout: settings.timeouts.firstToken.value,
    idleTimeout: settings.timeouts.idle.value,
    timeout: settings.timeouts.total.value,
    headers: requestHeaders(flags, settings, attribution),
    // The demo is on this machine, whatever the environment says of proxies.
    ...(demo === null && { proxy: proxySettingsOf(env) }),
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<ClientOptions>),
  };
}

/** What each request carries besides the key; reads no files. */
export function requestHeaders(
  flags: Flags,
  settings: Settings,
  attribution: Attribution | null,
): Record<string, string> {
  const metadata = Object.fromEntries(pairsFlag(flags, 'metadata'));
  const own = headerFlags(flags);
  const tags = [...settings.tags.value, ...(own['x-litellm-tags']?.split(',') ?? [])];
  const headers = { ...own, ...attributionHeaders({ tags, metadata }, attribution) };
  const endUser = textFlag(flags, 'end-user');
  if (endUser !== undefined) headers['x-litellm-end-user-id'] = endUser;
  return headers;
}

/** The headers of `--header`, their names in small letters. */
export function headerFlags(flags: Flags): Record<string, string> {
  return Object.fromEntries(listFlag(flags, 'header').map(header));
}

function header(line: string): [string, string] {
  const [, name, value] = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):\s*(.*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) {
    throw new UsageError(`--header ${line.split(':')[0]} is not 'K: V'`, {
      hint: "for example --header 'x-litellm-trace-id: 42'",
    });
  }
  return [name.toLowerCase(), value];
}

/** The certificate that the proxy may ask for, with its key: one file holds both as a rule. */
async function clientCertificate(flags: Flags, io: FlagFileIo): Promise<{ cert?: string; key?: string }> {
  const cert = await fileFlag(flags, 'cert', io);
  const key = (await fileFlag(flags, 'cert-key', io)) ?? cert;
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (key === undefined) return {};
  throw new UsageError('--cert-key without --cert', { hint: 'name the certificate too: --cert FILE' });
}

/**
 * Authorities to trust beside the built-in ones; undefined when none are named, or none are needed: reading them all costs
 * a plain http call more than the rest of its start.
 */
async function authorities(flags: Flags, io: Io, baseUrl: string): Promise<string[] | undefined> {
  const { env } = io;
  const isTlsInUse = [baseUrl, proxySettingsOf(env).httpProxy].some((url) => url?.startsWith('https:'));
  const named = await fileFlag(flags, 'cacert', io);
  if (!isTlsInUse) return undefined;
  const file = env['SSL_CERT_FILE'];
  const chosen = named ?? (file ? await readFlagFile('SSL_CERT_FILE', file, io) : undefined);
  if (chosen === undefined) return undefined;
  // Naming authorities replaces those of NODE_EXTRA_CA_CERTS, which Node tells of only from 22.15 on.
  const extra = env['NODE_EXTRA_CA_CERTS'];
  return extra ? [chosen, await readFlagFile('NODE_EXTRA_CA_CERTS', extra, io)] : [chosen];
}
