import { isJsonObject, type JsonObject } from '../protocol/json.ts';

/** Why a schema can not go out with `strict: true`: the place in it, as a JSON pointer, and what stands there. */
export interface StrictProblem {
  at: string;
  why: string;
}

/**
 * What OpenAI's strict mode takes; a provider refuses a strict schema that has anything else.
 *
 * Source: platform.openai.com/docs/guides/structured-outputs, "Supported schemas", November 2026.
 */
const keywords: ReadonlySet<string> = new Set([
  '$schema',
  '$defs',
  'definitions',
  '$ref',
  'title',
  'description',
  'type',
  'enum',
  'const',
  'anyOf',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'pattern',
  'format',
  'multipleOf',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minItems',
  'maxItems',
]);
const formats: ReadonlySet<string> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
]);
const mostProperties = 5_000;
const mostLevels = 10;
const mostEnumValues = 1_000;

/** Why the schema can not be sent as a strict one; null when it can. A schema of another shape is checked here all the same. */
export function strictProblem(schema: JsonObject): StrictProblem | null {
  if (schema['type'] !== 'object') return { at: '', why: 'the top is no object' };
  const counts = { properties: 0, enumValues: 0 };
  // A list and not a recursion: the schema may be a stranger's, and nested as deep as a file is long.
  const left: { value: unknown; at: string; level: number }[] = [{ value: schema, at: '', level: 1 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, at, level } = next;
    const why = isJsonObject(value) ? problemOf(value, level, counts) : 'it is no schema object';
    if (why !== null) return { at, why };
    for (const [name, inner, isDeeper] of innerSchemas(value as JsonObject))
      left.push({ value: inner, at: `${at}/${name}`, level: isDeeper ? level + 1 : level });
  }
  return null;
}

function problemOf(
  schema: JsonObject,
  level: number,
  counts: { properties: number; enumValues: number },
): string | null {
  const unknown = Object.keys(schema).find((name) => !keywords.has(name));
  if (unknown !== undefined) return `${JSON.stringify(unknown)} is not among what strict mode takes`;
  if (level > mostLevels) return `it is nested more than ${mostLevels} deep`;
  const { properties, required, enum: values, format, $ref: reference } = schema;
  if (typeof format === 'string' && !formats.has(format)) return `the format ${JSON.stringify(format)} is not taken`;
  if (typeof reference === 'string' && !reference.startsWith('#')) return 'it refers to another file';
  counts.enumValues += Array.isArray(values) ? values.length : 0;
  if (counts.enumValues > mostEnumValues) return `there are more than ${mostEnumValues} values of enum`;
  const isObject = schema['type'] === 'object' || (Array.isArray(schema['type']) && schema['type'].includes('object'));
  if (!isObject && properties === undefined) return null;
  const names = isJsonObject(properties) ? Object.keys(properties) : [];
  counts.properties += names.length;
  if (counts.properties > mostProperties) return `there are more than ${mostProperties} properties`;
  if (schema['additionalProperties'] !== false) return 'the object does not say "additionalProperties": false';
  const optional = names.find((name) => !Array.isArray(required) || !required.includes(name));
  return optional === undefined ? null : `the property ${JSON.stringify(optional)} is not required`;
}

/** The schemas inside, each by its place, and whether it is a level deeper. */
function innerSchemas(schema: JsonObject): [name: string, inner: unknown, isDeeper: boolean][] {
  const named = (group: string, isDeeper: boolean): [string, unknown, boolean][] =>
    Object.entries(isJsonObject(schema[group]) ? schema[group] : {}).map(([name, inner]) => [
      `${group}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      inner,
      isDeeper,
    ]);
  const choices = Array.isArray(schema['anyOf']) ? schema['anyOf'] : [];
  return [
    ...named('properties', true),
    ...named('$defs', false),
    ...named('definitions', false),
    ...choices.map((inner, at): [string, unknown, boolean] => [`anyOf/${at}`, inner, false]),
    ...('items' in schema ? [['items', schema['items'], true] as [string, unknown, boolean]] : []),
  ];
}
