import { realpathSync } from 'node:fs';
import path from 'node:path';
import { Ajv, str, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import type { ReplyForm, Taking } from '../../conversation/taken-reply.ts';
import { textOf } from '../../conversation/result-object.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../protocol/json.ts';
import { bundled, SchemaReferenceError } from '../../schema/bundle.ts';
import { isShortForm, isInlineSchema, shortSchema } from '../../schema/short-form.ts';
import { type StrictProblem, strictProblem } from '../../schema/strict.ts';
import { unwrapped, wrapped } from '../../schema/wrapped.ts';
import { jsonIn } from './json-in-reply.ts';
import { type FlagFileIo, readFlagFile } from '../input/flag-file.ts';
import { inLimitedTime, TimeLimitError } from '../../schema/limited-time.ts';

/** Milliseconds for what a schema asks for: its patterns may be a stranger's, and some never end. */
const longestCheckMs = 2_000;

/** A JSON schema that a reply must match. */
export interface ReplySchema extends ReplyForm {
  /** What is sent, so that the model knows; models and proxies may ignore it. */
  responseFormat: Record<string, unknown>;
  /** Why it does not go out as a strict one, which providers keep by themselves; null when it does. */
  strictProblem: StrictProblem | null;
  /** What it was made from: whoever calls `replySchema` with it, on another machine say, has the same. */
  source: ReplySchemaSource;
}

export interface ReplySchemaSource {
  text: string;
  file: string;
  name: string;
}

/**
 * What `--output-schema` names: a schema as JSON, its short form, or else a file.
 *
 * @throws UsageError `schema_invalid`, or `input_invalid` for a file that can not be read
 */
export async function readReplySchema(given: string, io: FlagFileIo): Promise<ReplySchema> {
  if (!isInlineSchema(given)) {
    const text = await readFlagFile('--output-schema', given, io);
    return replySchema(await withItsFiles(text, given, io), given);
  }
  if (!isShortForm(given)) return replySchema(given, 'as JSON', 'its schema');
  let schema: JsonObject;
  try {
    schema = shortSchema(given);
  } catch (cause) {
    throw invalid('in short', `is no schema: ${(cause as Error).message}`, cause);
  }
  return replySchema(JSON.stringify(schema), 'in short', 'its schema');
}

/** A schema file is a page of text: anything larger is the wrong file. */
const mostBytes = 4 * 1024 * 1024;

/** The schema with those of other files that it refers to; as it is where it refers to none, or is no schema. */
async function withItsFiles(text: string, given: string, io: FlagFileIo): Promise<string> {
  let schema: unknown;
  try {
    schema = parseJson(text);
  } catch {
    return text;
  }
  if (!isJsonObject(schema)) return text;
  const folder = path.dirname(path.resolve(io.cwd, given));
  const beside = (file: string): string => path.join(path.dirname(given), file);
  const read = async (file: string): Promise<unknown> => {
    const name = path.join(folder, file);
    // A link may lead anywhere, and what it leads to would go to the provider.
    const [real, home] = [realpathOf(name), realpathOf(folder)];
    if (real !== null && home !== null && !real.startsWith(`${home}${path.sep}`)) {
      throw new SchemaReferenceError(`it refers to ${file}, a link that leads out of the folder of the schema`);
    }
    const found = await readFlagFile(`--output-schema ${given}, which refers to`, beside(file), io, mostBytes);
    try {
      return parseJson(found);
    } catch {
      throw new SchemaReferenceError(`it refers to ${file}, which is not JSON`);
    }
  };
  try {
    const whole = await bundled(schema, read);
    return whole === schema ? text : JSON.stringify(whole);
  } catch (cause) {
    if (cause instanceof SchemaReferenceError)
      throw invalid(given, `is no schema that can be used: ${cause.message}`, cause);
    if (cause instanceof RangeError) throw invalid(given, 'is nested too deeply', cause);
    throw cause;
  }
}

function realpathOf(name: string): string | null {
  try {
    return realpathSync(name);
  } catch {
    // What reads it says what is wrong.
    return null;
  }
}

/** @param name what a reply that does not match is told of */
export function replySchema(text: string, file: string, name = file): ReplySchema {
  let schema: unknown;
  try {
    schema = parseJson(text);
  } catch (cause) {
    throw invalid(
      file,
      (cause as Error).message === 'nested too deeply' ? 'is nested too deeply' : 'is not JSON',
      cause,
    );
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
  const sent = wrapped(schema);
  const problem = strictProblem(sent);
  const reasonOf = (value: unknown): string | null => {
    try {
      return inLimitedTime(longestCheckMs, () => validate(value)) ? null : describe(validate.errors?.[0], value);
    } catch (error) {
      const reason = whyGivenUp(error);
      if (reason === null) throw error;
      return `the check was given up, ${reason}`;
    }
  };
  return {
    responseFormat: {
      type: 'json_schema',
      json_schema: { name: schemaName(title), schema: sent, ...(problem === null && { strict: true }) },
    },
    strictProblem: problem,
    source: { text, file, name },
    take({ completion, verdict }, isKept) {
      if (verdict !== 'complete' && verdict !== 'length') return { taken: null, error: null, complaint: null };
      const found = jsonIn(textOf(completion));
      if (typeof found === 'string') return failed(name, found, isKept);
      const inner = sent === schema ? null : unwrapped(found);
      const reason = inner === null ? reasonOf(found.value) : reasonOf(inner.value);
      if (reason === null) {
        const { text: taken, value, note } = inner ?? found;
        return { taken: { text: taken, json: value, note }, error: null, complaint: null };
      }
      // One that was asked for an object may know better.
      if (inner !== null && reasonOf(found.value) === null) {
        return { taken: { text: found.text, json: found.value, note: found.note }, error: null, complaint: null };
      }
      return failed(name, reason, isKept);
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
    // 1e999 is infinite to JavaScript, and no number of JSON.
    strictNumbers: true,
    validateFormats: false,
    // Else `{}` has a "toString", since every object answers to it.
    ownProperties: true,
  };
  const validator =
    draft === '07' ? new Ajv(options) : draft === '2019-09' ? new Ajv2019(options) : new Ajv2020(options);
  // Ajv's own takes 19.99 for no multiple of 0.01, or with a tolerance everything for one whose quotient overflows.
  validator.removeKeyword('multipleOf');
  validator.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: isMultiple,
    error: { message: ({ schema }) => str`must be multiple of ${schema as number}` },
  });
  return validator;
}

function isMultiple(step: number, value: number): boolean {
  const quotient = value / step;
  if (!Number.isFinite(quotient)) return value % step === 0;
  return Math.abs(Math.round(quotient) - quotient) <= 1e-9;
}

/** OpenAI takes letters, digits, `_` and `-`, 64 at most. */
function schemaName(title: unknown): string {
  const name = typeof title === 'string' ? title.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64) : '';
  return name === '' ? 'reply' : name;
}

/** Where, which rule, and what stood there, as far as a line has room for it. */
function describe(error: ErrorObject | undefined, value: unknown): string {
  if (error === undefined) return 'it does not validate';
  const { instancePath: at, message, keyword } = error;
  const why = `at ${at === '' ? 'the root' : at}: ${message ?? keyword}`;
  const stood = JSON.stringify(valueAt(value, at)) ?? 'nothing';
  const shown = stood.length > longestQuotation ? `${stood.slice(0, longestQuotation)}…` : stood;
  return `${why} (${keyword}), and there stood ${shown}`;
}

const longestQuotation = 60;

/** What a JSON pointer of the validator leads to. */
function valueAt(value: unknown, pointer: string): unknown {
  let found = value;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as JsonObject)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return found;
}

function failed(name: string, why: string, isKept: boolean): Taking {
  const kept = isKept ? 'it was kept: cllm history show; ' : '';
  return {
    taken: null,
    error: new CllmError('schema_mismatch', `the reply does not match ${name}: ${why}`, {
      hint: `${kept}ask again, or loosen the schema of --output-schema`,
    }),
    complaint: `Your reply does not match the JSON schema: ${why}. Reply with the corrected JSON alone, without a code fence.`,
  };
}

function invalid(file: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`--output-schema ${file} ${why}`, { code: 'schema_invalid', cause });
}
