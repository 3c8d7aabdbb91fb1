import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import type { Verdict } from '../../outcome/exits.ts';
import type { ChatCompletion } from '../../protocol/types.ts';
import { textOf } from '../../conversation/result-object.ts';
import { inLimitedTime, TimeLimitError } from './limited-time.ts';

/** Milliseconds for what a schema asks for: its patterns may be a stranger's, and some never end. */
const longestCheckMs = 2_000;

/** A JSON schema (2020-12) that a reply must match. */
export interface ReplySchema {
  /** What is sent, so that the model knows; models and proxies may ignore it. */
  responseFormat: Record<string, unknown>;
  /**
   * Null when the reply's text is JSON and matches, and for a reply that broke off, which its own error describes. One
   * that its length limit cut is judged: it may have been allowed.
   */
  mismatch(reply: { completion: ChatCompletion | null; verdict: Verdict | null }, isKept: boolean): CllmError | null;
}

export function replySchema(text: string, file: string): ReplySchema {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'is not JSON', cause);
  }
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw invalid(file, 'is no JSON object');
  // ajv would give a promise, which is true of every reply.
  if ('$async' in schema) throw invalid(file, 'is no JSON schema of the standard: $async');
  let validate: ReturnType<Ajv2020['compile']>;
  try {
    const validator = new Ajv2020({ allErrors: false, strict: false, validateFormats: false });
    const asGiven = schema;
    validate = inLimitedTime(longestCheckMs, () => validator.compile(asGiven));
  } catch (cause) {
    throw invalid(file, `is no JSON schema (draft 2020-12): ${(cause as Error).message}`, cause);
  }
  const name = (schema as { title?: unknown }).title;
  return {
    responseFormat: {
      type: 'json_schema',
      json_schema: { name: schemaName(name), schema, strict: true },
    },
    mismatch({ completion, verdict }, isKept) {
      if (verdict !== 'complete' && verdict !== 'length') return null;
      let value: unknown;
      try {
        value = JSON.parse(textOf(completion));
      } catch {
        return mismatch(file, 'it is no JSON', isKept);
      }
      try {
        const isValid = inLimitedTime(longestCheckMs, () => validate(value));
        return isValid ? null : mismatch(file, describe(validate.errors?.[0]), isKept);
      } catch (error) {
        if (!(error instanceof TimeLimitError)) throw error;
        return mismatch(
          file,
          `the check was given up, ${error.message}: a pattern of the schema may never end`,
          isKept,
        );
      }
    },
  };
}

/** OpenAI takes letters, digits, `_` and `-`, 64 at most. */
function schemaName(title: unknown): string {
  const name = typeof title === 'string' ? title.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64) : '';
  return name === '' ? 'reply' : name;
}

/** Where and why, never the value there: a reply has no place in a message. */
function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return 'it does not validate';
  return `at ${error.instancePath === '' ? 'the root' : error.instancePath}: ${error.message ?? error.keyword}`;
}

function mismatch(file: string, why: string, isKept: boolean): CllmError {
  const kept = isKept ? 'it was kept: cllm history show; ' : '';
  return new CllmError('schema_mismatch', `the reply does not match ${file}: ${why}`, {
    hint: `${kept}ask again, or loosen the schema of --output-schema`,
  });
}

function invalid(file: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`--output-schema ${file} ${why}`, { code: 'schema_invalid', cause });
}
