import type { FakeUpstream, RecordedRequest, ScriptedReply } from './fake-upstream.ts';

/**
 * A provider that refuses as OpenAI's strict mode does. Written apart from src/schema/strict.ts, from the API's own
 * messages, as a reader of the whole schema and not of places: what one of the two forgets, the other shows.
 */
type Schema = Record<string, unknown>;

const allowed: Readonly<Record<string, readonly string[]>> = {
  any: ['$schema', '$defs', 'definitions', 'title', 'description', 'type', 'enum', 'const', 'anyOf'],
  string: ['pattern', 'format'],
  number: ['multipleOf', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
};
const permitted = Object.values(allowed).flat();
const formats = 'date-time time date duration email hostname ipv4 ipv6 uuid'.split(' ');

class Refusal extends Error {}

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown): Schema => (isObject(value) ? value : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** What the API says of a strict schema; null when it takes it. */
export function strictRefusal(root: Schema): string | null {
  let properties = 0;
  let values = 0;
  let characters = 0;

  const refuse = (context: string[], message: string): never => {
    const place = context.length === 0 ? '()' : `(${context.map((part) => `'${part}'`).join(', ')})`;
    throw new Refusal(`In context=${place}, ${message}.`);
  };

  function resolve(schema: Schema): Schema {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return schema;
    let found: unknown = root;
    for (const part of reference.split('/').slice(1))
      found = object(found)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
    return object(found);
  }

  function visit(schema: unknown, context: string[], level: number): void {
    if (!isObject(schema)) return refuse(context, 'schema must be an object');
    if ('$ref' in schema) {
      const others = Object.keys(schema).filter((name) => name !== '$ref');
      if (others.length > 0) refuse(context, `$ref cannot have keywords {'${others.join("', '")}'}`);
      if (!String(schema['$ref']).startsWith('#')) refuse(context, 'reference can only point to definitions');
      return;
    }
    const banned = Object.keys(schema).find((name) => !permitted.includes(name));
    if (banned !== undefined) refuse(context, `'${banned}' is not permitted`);
    if (level > 10) refuse(context, 'schema exceeds the maximum nesting of 10 levels');
    if (!('type' in schema || 'anyOf' in schema)) refuse(context, "schema must have a 'type' key");
    const types = [schema['type']].flat();
    if ('format' in schema && !formats.includes(String(schema['format'])))
      refuse(context, `'${String(schema['format'])}' is not a valid format`);
    if (/\(\?(=|!|<=|<!)/.test(JSON.stringify(schema['pattern'] ?? '')))
      refuse(context, 'regex lookaround is not supported');
    visitValues(schema, types, context);
    if (types.includes('array') && schema['items'] === undefined) refuse(context, 'array schema missing items');
    if (types.includes('object') || 'properties' in schema) visitObject(schema, context);
    visitChoices(schema, context);
    for (const group of ['$defs', 'definitions']) {
      for (const [name, inner] of Object.entries(object(schema[group]))) {
        characters += name.length;
        visit(inner, [...context, group, name], level);
      }
    }
    for (const [name, inner] of Object.entries(object(schema['properties'])))
      visit(inner, [...context, 'properties', name], level + 1);
    if ('items' in schema) visit(schema['items'], [...context, 'items'], level + 1);
    list(schema['anyOf']).forEach((inner, at) => visit(inner, [...context, 'anyOf', String(at)], level));
  }

  function visitValues(schema: Schema, types: unknown[], context: string[]): void {
    const enumerated = list(schema['enum']);
    const all = 'const' in schema ? [...enumerated, schema['const']] : enumerated;
    values += enumerated.length;
    for (const value of all) {
      const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
      const fits = types.includes(kind) || (types.includes('integer') && Number.isInteger(value));
      if ('type' in schema && !fits)
        refuse(context, `enum value ${JSON.stringify(value)} does not validate against {'type': '${String(types)}'}`);
    }
    const texts = enumerated.filter((value) => typeof value === 'string').join('');
    if (enumerated.length > 250 && texts.length > 15_000) refuse(context, 'enum exceeds 15000 characters');
    characters += all.filter((value) => typeof value === 'string').join('').length;
  }

  function visitObject(schema: Schema, context: string[]): void {
    if (!('properties' in schema)) refuse(context, 'object schema missing properties');
    const names = Object.keys(object(schema['properties']));
    properties += names.length;
    characters += names.join('').length;
    if (schema['additionalProperties'] !== false)
      refuse(context, "'additionalProperties' is required to be supplied and to be false");
    const said = "'required' is required to be supplied and to be an array including every key in properties";
    const required = list(schema['required']);
    for (const name of names) if (!required.includes(name)) refuse(context, `${said}. Missing '${name}'`);
    for (const name of required)
      if (!names.includes(String(name))) refuse(context, `${said}. Extra required key '${String(name)}' supplied`);
  }

  function visitChoices(schema: Schema, context: string[]): void {
    const seen: [string, unknown[]][] = [];
    for (const choice of list(schema['anyOf'])) {
      const [first] = Object.entries(object(resolve(object(choice))['properties']));
      if (first === undefined) continue;
      const inner = object(first[1]);
      const marks = 'const' in inner ? [inner['const']] : list(inner['enum']);
      const isAlike = seen.some(
        ([name, others]) =>
          name === first[0] &&
          (marks.length === 0 || others.length === 0 || marks.some((mark) => others.includes(mark))),
      );
      if (isAlike) refuse(context, "Objects provided via 'anyOf' must not share identical first keys");
      seen.push([first[0], marks]);
    }
  }

  try {
    if (root['type'] !== 'object' || 'anyOf' in root)
      refuse([], `schema must be a JSON Schema of 'type: "object"', got 'type: "${String(root['type'])}"'`);
    visit(root, [], 1);
    if (properties > 5000) refuse([], `Expected at most 5000 properties, but received ${properties}`);
    if (values > 1000) refuse([], `Expected at most 1000 enum values in total, but received ${values}`);
    if (characters > 120_000) refuse([], 'Expected at most 120000 characters of names and values');
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

/** Answers 400 to a strict schema that OpenAI would refuse, and as before to all else. */
export function refuseAsStrictMode(upstream: FakeUpstream): void {
  const answer = upstream.fallback;
  upstream.fallback = (request: RecordedRequest): ScriptedReply => {
    const format = object(object(request.body['response_format'])['json_schema']);
    const refusal = format['strict'] === true ? strictRefusal(object(format['schema'])) : null;
    if (refusal === null) return answer(request);
    const message = `Invalid schema for response_format '${String(format['name'])}': ${refusal}`;
    const error = { message, type: 'invalid_request_error', param: 'response_format', code: null };
    return { status: 400, body: { error } };
  };
}
