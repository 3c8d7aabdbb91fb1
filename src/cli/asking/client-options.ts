import { type Attribution, attributionHeaders } from '../../client/attribution.ts';
import type { ClientOptions } from '../../client/client.ts';
import { proxySettingsOf } from '../../client/http/http-proxy.ts';
import type { Settings } from '../../config/settings.ts';
import type { SettingValues } from '../../config/validation.ts';
import type { DemoProxy } from '../../demo/demo-proxy.ts';
import { UsageError } from '../../outcome/errors.ts';
import { type FlagFileIo, readFlagFile } from '../input/flag-file.ts';
import type { ContextValues } from '../flags/flags.ts';
import type { Io } from '../io.ts';
import { flagParams } from './request-body.ts';
import { ours } from '../../terminal/own-text.ts';
import { remark } from '../views/report.ts';

/** What the command line says, under the names that the settings files use. */
export async function flagSettings(
  values: ContextValues,
  io: FlagFileIo,
  demo: DemoProxy | null,
): Promise<SettingValues> {
  const { system, tag = [] } = values;
  return {
    base_url: demo?.baseUrl ?? values.baseUrl,
    model: values.model ?? demo?.model,
    system: system?.startsWith('@') ? await readFlagFile('-s', system.slice(1), io) : system,
    params: flagParams(values),
    output_schema: values.outputSchema,
    render: values.render,
    max_cost: values.maxCost,
    max_input_tokens: values.maxInputTokens,
    require_model: values.requireModel,
    fallback: switchOf(values.fallback),
    cache: switchOf(values.cache),
    retries: values.retries,
    reasoning: values.reasoning,
    tags: tag.length === 0 ? undefined : [...tag],
    timeouts: {
      connect: values.connectTimeout,
      first_token: values.firstTokenTimeout,
      idle: values.idleTimeout,
      total: values.timeout,
    },
  };
}

export async function clientOptions(
  values: ContextValues,
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
    requireModel: settings.requireModel.value ?? undefined,
    allowFallbacks: settings.fallback.value === 'off' ? false : undefined,
    allowCache: settings.cache.value === 'off' ? false : undefined,
    maxReplyBytes: values.maxReplyBytes,
    ca: await authorities(values.cacert, io, settings.baseUrl.value),
    ...(await clientCertificate(values, io)),
    onDebug: values.debug === true ? (line: string) => void io.stderr.write(ours`${line}\n`) : undefined,
  };
  return {
    baseUrl: settings.baseUrl.value,
    userAgent: attribution?.userAgent ?? `cllm/${version}`,
    connectTimeout: settings.timeouts.connect.value,
    firstTokenTimeout: settings.timeouts.firstToken.value,
    idleTimeout: settings.timeouts.idle.value,
    timeout: settings.timeouts.total.value,
    retries: settings.retries.value,
    headers: { ...traceHeader(env), ...requestHeaders(values, settings, attribution) },
    ...(attribution !== null && {
      untaggedHeaders: { ...traceHeader(env), ...requestHeaders(values, settings, { ...attribution, tags: [] }) },
      onTagsRefused: () => void remark(io.stderr, tagsRefused),
    }),
    // The demo is on this machine, whatever the environment says of proxies.
    ...(demo === null && { httpProxy: proxySettingsOf(env) }),
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<ClientOptions>),
  };
}

const tagsRefused =
  'this proxy takes no tags from its clients: those of the job are left out (--no-attribution sends none)';

function switchOf(value: boolean | undefined): 'on' | 'off' | undefined {
  return value === undefined ? undefined : value ? 'on' : 'off';
}

/**
 * The trace that this process is a part of, as its caller says: the proxy's own spans then hang below it.
 *
 * Source: OpenTelemetry's `TRACEPARENT`, a W3C Trace Context header (version 00).
 */
function traceHeader(env: Io['env']): Record<string, string> {
  const parent = env['TRACEPARENT']?.trim() ?? '';
  return /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(parent) ? { traceparent: parent } : {};
}

/** What each request carries besides the key; reads no files. */
export function requestHeaders(
  { metadata = [], header = [], endUser }: Pick<ContextValues, 'metadata' | 'header' | 'endUser'>,
  settings: Pick<Settings, 'tags'>,
  attribution: Attribution | null,
): Record<string, string> {
  const own: Record<string, string> = Object.fromEntries(header);
  const tags = [...settings.tags.value, ...(own['x-litellm-tags']?.split(',') ?? [])];
  const headers: Record<string, string> = {
    ...(attribution?.session != null && { 'x-litellm-session-id': attribution.session }),
    ...own,
    ...attributionHeaders({ tags, metadata: Object.fromEntries(metadata) }, attribution),
  };
  if (endUser !== undefined) headers['x-litellm-end-user-id'] = endUser;
  return headers;
}

/** The certificate that the proxy may ask for, with its key: one file holds both as a rule. */
async function clientCertificate(
  files: Pick<ContextValues, 'cert' | 'certKey'>,
  io: FlagFileIo,
): Promise<{ cert?: string; certKey?: string }> {
  const cert = files.cert === undefined ? undefined : await readFlagFile('--cert', files.cert, io);
  const certKey = files.certKey === undefined ? cert : await readFlagFile('--cert-key', files.certKey, io);
  if (cert !== undefined && certKey !== undefined) return { cert, certKey };
  if (certKey === undefined) return {};
  throw new UsageError('--cert-key without --cert', { hint: 'name the certificate too: --cert FILE' });
}

/**
 * Authorities to trust beside the built-in ones; undefined when none are named, or none are needed: reading them all costs
 * a plain http call more than the rest of its start.
 */
async function authorities(cacert: string | undefined, io: Io, baseUrl: string): Promise<string[] | undefined> {
  const { env } = io;
  const isTlsInUse = [baseUrl, proxySettingsOf(env).httpProxy].some((url) => url?.startsWith('https:'));
  const named = cacert === undefined ? undefined : await readFlagFile('--cacert', cacert, io);
  if (!isTlsInUse) return undefined;
  const file = env['SSL_CERT_FILE'];
  const chosen = named ?? (file ? await readFlagFile('SSL_CERT_FILE', file, io) : undefined);
  if (chosen === undefined) return undefined;
  // Naming authorities replaces those of NODE_EXTRA_CA_CERTS, which Node tells of only from 22.15 on.
  const extra = env['NODE_EXTRA_CA_CERTS'];
  return extra ? [chosen, await readFlagFile('NODE_EXTRA_CA_CERTS', extra, io)] : [chosen];
}
