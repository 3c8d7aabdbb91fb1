import type { Guardrail } from '../../outcome/errors.ts';
import { isJsonObject, textOrNull, type JsonObject } from '../json.ts';

/** A name is the admin's, and short; what is longer came from elsewhere. */
const longestName = 100;

/** The fixed forms of LiteLLM's two exceptions that have no fields on the wire. */
const forms = [
  /^Guardrail raised an exception, Guardrail: ([^\n]{1,100}?), Message: /,
  /^Blocked entity detected: [^\n]{1,100}? by Guardrail: ([^\n]{1,100}?)\. This entity is not allowed/,
];

/**
 * The guardrail that an error object names; null when it names none. LiteLLM puts the fields beside the error that a
 * guardrail raised, at whatever status that has, and hands them on in `provider_specific_fields`. Other words prove
 * nothing, for a provider may write them too.
 *
 * Source: LiteLLM 1.104.2, proxy/utils.py (`_enrich_http_exception_with_guardrail_context`, `guardrail_pipeline_error`)
 * and exceptions.py (`GuardrailRaisedException`, `BlockedPiiEntityError`).
 */
export function guardrailBlock(error: JsonObject): Guardrail | null {
  for (const fields of [error, error['provider_specific_fields']]) {
    if (!isJsonObject(fields)) continue;
    const name = nameOf(fields['guardrail_name']);
    if (name !== null) return { name, mode: modeOf(fields['guardrail_mode']) };
    if (fields['type'] === 'guardrail_pipeline_error') return { name: pipelineStep(fields), mode: null };
  }
  const message = textOrNull(error['message']) ?? '';
  const named = forms.map((form) => form.exec(message)?.[1]).find((name) => name !== undefined);
  return named === undefined ? null : { name: nameOf(named), mode: null };
}

/**
 * What a guardrail of LiteLLM's content filter puts in the place of what it masked, `[EMAIL_REDACTED]`: how many a text
 * has. Nothing else on the wire tells of masking, and of a masked prompt only a model that repeats it.
 */
export function maskedPassages(text: string): number {
  return text.match(/\[[A-Z][A-Z0-9_]{0,60}_REDACTED\]/g)?.length ?? 0;
}

/** How a message names it: `nosecrets (pre_call)`. */
export function guardrailTitle({ name, mode }: Guardrail): string {
  return `${name ?? 'without a name'}${mode === null ? '' : ` (${mode})`}`;
}

/** The names in LiteLLM's `x-litellm-applied-guardrails`: every guardrail that ran, whatever it found. */
export function appliedGuardrails(headers: Readonly<Record<string, string>>): string[] {
  const names = (headers['x-litellm-applied-guardrails'] ?? '').slice(0, longestName * 20).split(',');
  return [...new Set(names.map((name) => nameOf(name)).filter((name) => name !== null))];
}

function nameOf(value: unknown): string | null {
  const name = (textOrNull(value) ?? '').replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return name === '' || name === 'None' ? null : name.slice(0, longestName);
}

/** One mode, or the several that a rule may have. */
function modeOf(value: unknown): string | null {
  if (!Array.isArray(value)) return nameOf(value);
  const modes = value.map((each) => nameOf(each)).filter((mode) => mode !== null);
  return modes.length === 0 ? null : nameOf(modes.join(', '));
}

function pipelineStep(error: JsonObject): string | null {
  const context = isJsonObject(error['pipeline_context']) ? error['pipeline_context'] : {};
  const steps = Array.isArray(context['step_results']) ? context['step_results'] : [];
  const last: unknown = steps.at(-1);
  return (isJsonObject(last) ? nameOf(last['guardrail']) : null) ?? nameOf(context['policy']);
}
