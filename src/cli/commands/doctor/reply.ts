import { formatUsd } from '../../../spending/usd.ts';
import type { LiteLLMClient } from '../../../client/client.ts';
import { paramValues, type Settings } from '../../../config/settings.ts';
import { nearestName } from '../../../config/nearest-name.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import type { ArrivalVerdict } from './arrival.ts';
import { failed, ok, skipped, type Finding } from './finding.ts';
import { testCall, type TestCall } from './test-call.ts';
import { shellWord } from '../../../protocol/shell-word.ts';

/** What a proxy that buffers needs; nginx is what most of them are. */
const nginxFix =
  'In nginx, in the location of the proxy: proxy_buffering off; proxy_cache off; (LiteLLM asks for it with X-Accel-Buffering: no, but the first nginx on the way uses that header up, and proxy_ignore_headers ignores it)';

/** Whether the model may be used, and whether its reply arrives as it is made. */
export async function* examineReply(options: {
  client: LiteLLMClient;
  settings: Settings;
  /** The names that the proxy lists. */
  served: readonly string[];
  isCalling: boolean;
  signal: AbortSignal;
}): AsyncGenerator<Finding, void, undefined> {
  const { client, settings, served, isCalling, signal } = options;
  const model = settings.model.value;
  if (model === null) {
    const some = served.slice(0, 8).join(', ') || 'none';
    yield failed('model', new UsageError(`none is chosen; the proxy serves ${some}`, { code: 'no_model' }), {
      fix: `cllm config set model ${shellWord(served[0] ?? '', 'NAME')}`,
    });
    return;
  }
  const isListed = served.includes(model);
  if (!isCalling) {
    yield isListed ? ok('model', `${model} is served`) : notListed(model, served);
    yield skipped('stream', 'not tried (--no-call)');
    return;
  }
  const params = paramValues(settings.params);
  let call = await testCall(client, model, params, signal);
  // A proxy that has just started takes seconds for its first call, which looks like a buffer; only a buffer does so twice.
  if (call.arrival.type === 'clumped') call = await testCall(client, model, params, signal);
  const refusal = call.error?.code;
  if (refusal === 'model_not_found' || refusal === 'model_not_allowed') {
    yield call.error === null || isListed
      ? failed('model', call.error ?? notFound(model))
      : notListed(model, served, call.error);
    return;
  }
  // A proxy may serve names that it does not list (wildcards, hidden aliases): the call decides.
  yield ok('model', isListed ? `${model} is served` : `${model} is not listed, but served`, { listed: isListed });
  yield streamFinding(
    call,
    served.filter((name) => name !== model),
  );
}

function notListed(model: string, served: readonly string[], error: CllmError = notFound(model)): Finding {
  const nearest = nearestName(model, served);
  const fix =
    nearest === null
      ? '`cllm models` lists what there is; choose: cllm config set model NAME'
      : `cllm config set model ${shellWord(nearest, 'NAME')}`;
  return failed('model', error, {
    message: `the proxy does not serve ${model} to this key`,
    fix,
    facts: { listed: served.length },
  });
}

function notFound(model: string): CllmError {
  return new CllmError('model_not_found', `the proxy does not serve ${model}`);
}

function streamFinding(call: TestCall, others: readonly string[]): Finding {
  const { error, arrival, receipt } = call;
  const facts: Finding['facts'] = {
    chunks: arrival.chunks,
    pieces: arrival.pieces,
    first_ms: Math.round(arrival.firstMs),
    median_gap_ms: rounded(arrival.medianGapMs),
    longest_gap_ms: rounded(arrival.longestGapMs),
    proxy_ms: rounded(Number(call.headers['x-litellm-response-duration-ms'] ?? Number.NaN)),
    server: call.headers['server'] ?? null,
    via: call.headers['via'] ?? null,
    model_served: receipt?.modelServed ?? null,
    call_id: receipt?.callId ?? null,
    verdict: call.verdict,
  };
  // A short limit of the model's is no fault of the way.
  if (error !== null && error.code !== 'reply_short') {
    const other =
      error.code === 'server_error' && others.length > 0 ? ` Others it serves: ${others.slice(0, 5).join(', ')}.` : '';
    return failed('stream', error, {
      facts,
      ...(other !== '' && {
        fix: `${error.hint ?? 'The proxy is there; the provider behind this model may not be.'}${other}`,
      }),
    });
  }
  if (arrival.type === 'clumped') {
    return failed('stream', buffered(arrival), {
      fix: nginxFix,
      facts: { ...facts, held_ms: Math.round(arrival.heldMs) },
    });
  }
  return ok('stream', `${describe(arrival)}${costOf(receipt?.costUsd ?? null)}`, facts);
}

function describe({ type, chunks, pieces, firstMs, medianGapMs }: ArrivalVerdict): string {
  const first = `the first after ${seconds(firstMs)}`;
  if (type === 'few') return `${chunks} chunks, ${first}: too few to see whether anything holds them back`;
  if (type === 'quick') return `${chunks} chunks within ${seconds(firstMs)}: nothing held them back for long`;
  return `live: ${chunks} chunks in ${pieces} arrivals, ${first}, then one every ${Math.round(medianGapMs ?? 0)} ms`;
}

function buffered({ chunks, pieces, firstMs, heldMs }: ArrivalVerdict): CllmError {
  const how = pieces === 1 ? 'in one piece' : `in ${pieces} pieces`;
  return new CllmError(
    'unexpected_response',
    `${chunks} chunks arrived ${how}, the first after ${seconds(firstMs)}: something in front of the proxy buffers the stream (held for about ${seconds(heldMs)})`,
  );
}

function costOf(usd: number | null): string {
  return usd === null || usd === 0 ? '' : `, cost ${formatUsd(usd)}`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function rounded(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.round(value);
}
