import type { ClientOptions, LiteLLMClient } from '../../../client/client.ts';
import { ConnectFailure } from '../../../client/http/connect.ts';
import { proxyFor } from '../../../client/http/http-proxy.ts';
import { networkError } from '../../../client/http/network-error.ts';
import { secureContextOf } from '../../../client/http/transport.ts';
import { describeOrigin, type Settings } from '../../../config/settings.ts';
import { CllmError } from '../../../outcome/errors.ts';
import type { Context } from '../../context.ts';
import { asCllmError } from '../../thrown.ts';
import { failed, ok, skipped, steps, type Finding, type Step } from './finding.ts';
import { examineHistory } from './history.ts';
import { examineKey, examineProxy } from './proxy.ts';
import { examineReply } from './reply.ts';
import { addressesOf, hopOf, tcpTime, tlsFacts, type Hop } from './way.ts';

/** What is looked at: each part may fail, and that is a finding. */
export type Examined = Pick<
  Context,
  'io' | 'paths' | 'settings' | 'apiKey' | 'clientOptions' | 'client' | 'history' | 'journal'
>;

export interface Examination {
  /** `--no-call`: ask no model. */
  isCalling: boolean;
  /** What named the authorities to trust, `--cacert` say; null when nothing did. */
  caName: string | null;
}

/** The facts that one step finds and a later one needs. */
interface Way {
  settings: Settings;
  options: ClientOptions;
  client: LiteLLMClient;
  url: URL;
  httpProxy: URL | null;
  hop: Hop;
}

/**
 * Looks at every step between this machine and a streamed reply. A step that fails ends the way, and the steps behind it
 * are told as not reached; the history, which is on no way, is looked at in any case.
 */
export async function* examine(context: Examined, examination: Examination): AsyncGenerator<Finding, void, undefined> {
  const told = new Set<Step>();
  for await (const finding of examineWay(context, examination)) {
    told.add(finding.step);
    yield finding;
    if (context.io.signal.aborted) throw context.io.signal.reason;
  }
  for (const step of steps) {
    if (step !== 'history' && !told.has(step)) yield skipped(step, 'not reached');
  }
  yield await examineHistory(context);
}

async function* examineWay(context: Examined, examination: Examination): AsyncGenerator<Finding, void, undefined> {
  let way: Way;
  try {
    way = await findWay(context);
  } catch (thrown) {
    yield failed('configuration', asCllmError(thrown));
    return;
  }
  yield configurationOf(way, await context.apiKey());

  for (const step of [nameHttpProxy, examineName, examineTcp]) {
    const finding = await step(way);
    yield finding;
    if (finding.status === 'failed') return;
  }
  const tls = await examineTls(way, examination.caName);
  yield tls;
  if (tls.status === 'failed') return;

  const { signal } = context.io;
  const { findings, isUsable } = await examineProxy(way.client, way.httpProxy, signal);
  yield* findings;
  if (!isUsable) return;
  const key = await examineKey(way.client, await context.apiKey(), await context.settings(), signal);
  yield key.finding;
  if (key.finding.status === 'failed') return;
  yield* examineReply({
    client: way.client,
    settings: way.settings,
    served: key.served,
    isCalling: examination.isCalling,
    signal,
  });
}

async function findWay(context: Examined): Promise<Way> {
  const settings = await context.settings();
  const { key } = await context.apiKey();
  // Each step is seen once: retries would only hide a connection that fails now and then.
  const options = { ...(await context.clientOptions(key)), retries: 0 };
  const client = await context.client();
  const url = new URL(settings.baseUrl.value);
  const httpProxy = proxyFor(url, options.httpProxy ?? {});
  return { settings, options, client, url, httpProxy, hop: hopOf(httpProxy ?? url) };
}

function configurationOf({ settings }: Way, apiKey: Awaited<ReturnType<Context['apiKey']>>): Finding {
  const { baseUrl, model } = settings;
  const key = apiKey.maskedKey === null ? 'no key' : `key ${apiKey.maskedKey} (${apiKey.origin})`;
  const chosen = model.value === null ? 'no model' : `model ${model.value} (${describeOrigin(model.origin)})`;
  return ok('configuration', `${baseUrl.value} (${describeOrigin(baseUrl.origin)}), ${key}, ${chosen}`, {
    base_url: baseUrl.value,
    base_url_from: describeOrigin(baseUrl.origin),
    key: apiKey.maskedKey,
    key_from: apiKey.origin,
    model: model.value,
    user_file: settings.userFile,
    project_file: settings.projectFile,
    warnings: [...settings.warnings],
  });
}

function nameHttpProxy({ httpProxy, url }: Way): Promise<Finding> {
  if (httpProxy === null) return Promise.resolve(skipped('http proxy', 'none in use', { http_proxy: null }));
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  return Promise.resolve(
    ok('http proxy', `${httpProxy.host} (${name}); NO_PROXY exempts hosts from it`, { http_proxy: httpProxy.host }),
  );
}

async function examineName(way: Way): Promise<Finding> {
  const { host } = way.hop;
  try {
    const addresses = await addressesOf(host, seconds(way));
    if (addresses[0] === host) return skipped('dns', `${host} is an address`);
    return ok('dns', `${host} is ${addresses.slice(0, 3).join(', ')}`, { addresses });
  } catch (thrown) {
    return failed('dns', explained(thrown, way));
  }
}

async function examineTcp(way: Way): Promise<Finding> {
  const { host, port } = way.hop;
  try {
    const tookMs = Math.round(await tcpTime(way.hop, seconds(way)));
    return ok('tcp', `${host}:${port} answers (${tookMs} ms)`, { took_ms: tookMs });
  } catch (thrown) {
    return failed('tcp', explained(thrown, way));
  }
}

async function examineTls(way: Way, caName: string | null): Promise<Finding> {
  const { url, httpProxy, options } = way;
  if (url.protocol !== 'https:') return skipped('tls', 'not in use: the base URL is plain http');
  const context = secureContextOf({
    connectTimeout: 0,
    ...(options.ca !== undefined && { ca: [options.ca].flat() }),
    ...(options.cert !== undefined && { cert: options.cert }),
    ...(options.certKey !== undefined && { certKey: options.certKey }),
  });
  const target = { ...hopOf(url), isHttps: true, proxy: httpProxy, secureContext: context };
  try {
    const facts = await tlsFacts(target, seconds(way));
    if (facts === null) return skipped('tls', 'no certificate was seen');
    const authority = facts.isOwnAuthority ? (caName ?? 'NODE_EXTRA_CA_CERTS') : 'built in';
    return ok(
      'tls',
      `${facts.protocol}, certificate for ${facts.subject} by ${facts.root} (${authority}), valid to ${facts.validTo.slice(0, 10)}`,
      { ...factsAsJson(facts), authority },
    );
  } catch (thrown) {
    if (thrown instanceof ConnectFailure && thrown.phase === 'proxy')
      return failed('http proxy', explained(thrown, way));
    // What is wrong with a certificate shows best in the certificate.
    const seen = await tlsFacts({ ...target, isOnlyLooking: true }, seconds(way)).catch(() => null);
    const error = explained(thrown, way);
    if (seen === null) return failed('tls', error);
    return failed('tls', error, {
      message: `${error.message.replace(/: (GET|POST) \S+$/, '')}; it is for ${seen.subject}, by ${seen.issuer}, valid ${seen.validFrom.slice(0, 10)} to ${seen.validTo.slice(0, 10)}`,
      facts: factsAsJson(seen),
    });
  }
}

function factsAsJson(facts: NonNullable<Awaited<ReturnType<typeof tlsFacts>>>): Finding['facts'] {
  return {
    protocol: facts.protocol,
    subject: facts.subject,
    issuer: facts.issuer,
    valid_from: facts.validFrom,
    valid_to: facts.validTo,
    root: facts.root,
  };
}

function explained(thrown: unknown, { url, httpProxy, hop }: Way): CllmError {
  const isProxys = httpProxy !== null && thrown instanceof ConnectFailure && thrown.phase === 'connect';
  const failure = isProxys ? new ConnectFailure('proxy', thrown.cause) : thrown;
  const error = networkError(failure, { method: 'GET', url: url.href }, httpProxy);
  if (error.code === 'connection_failed' && /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/.test(error.message)) {
    return new CllmError(error.code, error.message, {
      cause: error.cause,
      hint: `a firewall may be in the way of ${hop.host}:${hop.port}: is a VPN needed, or an HTTP proxy (HTTPS_PROXY)?`,
    });
  }
  return error;
}

function seconds({ options }: Way): number {
  return options.connectTimeout ?? 10;
}
