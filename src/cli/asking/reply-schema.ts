import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import type { Verdict } from '../../outcome/exits.ts';
import type { ChatCompletion } from '../../protocol/types.ts';
import { textOf } from '../../conversation/result-object.ts';
import { isJsonObject, type JsonObject } from '../../protocol/json.ts';
import { isShortForm, isInlineSchema, shortSchema } from '../../schema/short-form.ts';
import { type StrictProblem, strictProblem } from '../../schema/strict.ts';
import { type FlagFileIo, readFlagFile } from '../input/flag-file.ts';
import { inLimitedTime, TimeLimitError } from './limited-time.ts';

/** Milliseconds for what a schema asks for: its patterns may be a stranger's, and some never end. */
const longestCheckMs = 2_000;

/** A JSON schema that a reply must match. */
export interface ReplySchema {
  /** What is sent, so that the model knows; models and proxies may ignore it. */
  responseFormat: Record<string, unknown>;
  /** Why it does not go out as a strict one, which providers keep by themselves; null when it does. */
  strictProblem: StrictProblem | null;
  /**
   * Null when the reply's text is JSON and matches, and for a reply that broke off, which its own error describes. One
   * that its length limit cut is judged: it may have been allowed.
   */
  mismatch(reply: { completion: ChatCompletion | null; verdict: Verdict | null }, isKept: boolean): CllmError | null;
}

/**
 * What `--output-schema` names: a schema as JSON, its short form, or else a file.
 *
 * @throws UsageError `schema_invalid`, or `input_invalid` for a file that can not be read
 */
export async function readReplySchema(given: string, io: FlagFileIo): Promise<ReplySchema> {
  if (!isInlineSchema(given)) return replySchema(await readFlagFile('--output-schema', given, io), given);
  if (!isShortForm(given)) return replySchema(given, 'as JSON', 'its schema');
  let schema: JsonObject;
  try {
    schema = shortSchema(given);
  } catch (cause) {
    throw invalid('in short', `is no schema: ${(cause as Error).message}`, cause);
  }
  return replySchema(JSON.stringify(schema), 'in short', 'its schema');
}

/** @param name what a reply that does not match is told of */
export function replySchema(text: string, file: string, name = file): ReplySchema {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'is not JSON', cause);
  }
  if (!isJsonObject(schema)) throw invalid(file, 'is no JSON object');
  // ajv would give a promise, which is true of every reply.
  if ('$async' in schema) throw invalid(file, 'is no JSON schema of the standard: $async');
  if (holdsName(schema, '__proto__'))
    throw invalid(file, 'names "__proto__", which no validator of JavaScript checks: give it another name');
  const draft = draftOf(schema['$schema']);
  if (draft === null) throw invalid(file, 'names a $schema that is not known here: draft-07, 2019-09 and 2020-12 are');
  let validate: ValidateFunction;
  try {
    const validator = validatorOf(draft);
    const asGiven = schema;
    validate = inLimitedTime(longestCheckMs, () => validator.compile(asGiven));
  } catch (cause) {
    if (cause instanceof RangeError)
      throw invalid(file, 'is nested too deeply, or refers to itself without an end', cause);
    throw invalid(file, `is no JSON schema (draft ${draft}): ${(cause as Error).message}`, cause);
  }
  const { title } = schema;
  const problem = strictProblem(schema);
  return {
    responseFormat: {
      type: 'json_schema',
      json_schema: { name: schemaName(title), schema, ...(problem === null && { strict: true }) },
    },
    strictProblem: problem,
    mismatch({ completion, verdict }, isKept) {
      if (verdict !== 'complete' && verdict !== 'length') return null;
      let value: unknown;
      try {
        value = JSON.parse(textOf(completion));
      } catch {
        return mismatch(name, 'it is no JSON', isKept);
      }
      try {
        const isValid = inLimitedTime(longestCheckMs, () => validate(value));
        return isValid ? null : mismatch(name, describe(validate.errors?.[0]), isKept);
      } catch (error) {
        const reason = whyGivenUp(error);
        if (reason === null) throw error;
        return mismatch(name, `the check was given up, ${reason}`, isKept);
      }
    },
  };
}

/** Why no check came to an end: what was not checked does not match. Null for an error of another kind. */
function whyGivenUp(error: unknown): string | null {
  if (error instanceof TimeLimitError) return `${error.message}: a pattern of the schema may never end`;
  // A validator goes down by calling itself.
  if (error instanceof RangeError)
    return 'the reply is nested too deeply, or the schema refers to itself without an end';
  return null;
}

function holdsName(schema: JsonObject, name: string): boolean {
  // A list and not a recursion, for any depth.
  const left: unknown[] = [schema];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    if (Object.hasOwn(value, name)) return true;
    for (const inner of Object.values(value)) left.push(inner);
  }
  return false;
}

type Draft = '07' | '2019-09' | '2020-12';

/** The draft that `$schema` names, the newest where it names none; null for one that is not known here. */
function draftOf(named: unknown): Draft | null {
  if (named === undefined) return '2020-12';
  if (typeof named !== 'string') return null;
  if (/json-schema\.org\/draft-0[67]\/schema#?$/.test(named)) return '07';
  const [, draft] = /json-schema\.org\/draft\/(2019-09|2020-12)\/schema#?$/.exec(named) ?? [];
  return draft === undefined ? null : (draft as Draft);
}

function validatorOf(draft: Draft): { compile(schema: JsonObject): ValidateFunction } {
  const options: Options = {
    allErrors: false,
    strict: false,
    validateFormats: false,
    // Else `{}` has a "toString", since every object answers to it.
    ownProperties: true,
    // Else 19.99 is no multiple of 0.01: floating point has neither.
    multipleOfPrecision: 9,
  };
  if (draft === '07') return new Ajv(options);
  return draft === '2019-09' ? new Ajv2019(options) : new Ajv2020(options);
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
