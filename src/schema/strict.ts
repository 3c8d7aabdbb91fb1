import { isJsonObject, type JsonObject } from '../protocol/json.ts';

/** Why a schema can not go out with `strict: true`: the place in it, as a JSON pointer, and what stands there. */
export interface StrictProblem {
  at: string;
  why: string;
}

/**
 * What OpenAI's strict mode takes; a provider refuses a strict schema that has anything else.
 *
 * Source: platform.openai.com/docs/guides/structured-outputs, "Supported schemas", November 2026, and what the API answers
 * (400, "Invalid schema for response_format …") to schemas that keep to it: "$ref cannot have keywords", "schema must have
 * a 'type' key", "array schema missing items", "object schema missing properties", "Extra required key", "enum value …
 * does not validate", "regex lookaround is not supported", "must not share identical first keys".
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
/** Of all names of properties and definitions and all values together. */
const mostCharacters = 120_000;
/** Of an enum with more than so many values, the characters. */
const longEnum = { values: 250, characters: 15_000 };
const lookaround = /\(\?<?[=!]/;

/** Why the schema can not be sent as a strict one; null when it can. A schema of another shape is checked here all the same. */
export function strictProblem(schema: JsonObject): StrictProblem | null {
  if (schema['type'] !== 'object' || 'anyOf' in schema) return { at: '', why: 'the top is no object' };
  const counts: Counts = { properties: 0, enumValues: 0, characters: 0 };
  // A list and not a recursion: the schema may be a stranger's, and nested as deep as a file is long.
  const left: { value: unknown; at: string; level: number }[] = [{ value: schema, at: '', level: 1 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, at, level } = next;
    const why = isJsonObject(value) ? problemOf(value, level, counts, schema) : 'it is no schema object';
    if (why !== null) return { at, why };
    for (const [name, inner, isDeeper] of innerSchemas(value as JsonObject))
      left.push({ value: inner, at: `${at}/${name}`, level: isDeeper ? level + 1 : level });
  }
  return null;
}

interface Counts {
  properties: number;
  enumValues: number;
  characters: number;
}

function problemOf(schema: JsonObject, level: number, counts: Counts, root: JsonObject): string | null {
  const names = Object.keys(schema);
  const unknown = names.find((name) => !keywords.has(name));
  if (unknown !== undefined) return `${JSON.stringify(unknown)} is not among what strict mode takes`;
  if (level > mostLevels) return `it is nested more than ${mostLevels} deep`;
  const { format, pattern, $ref: reference } = schema;
  if (typeof reference === 'string') {
    const beside = names.find((name) => name !== '$ref');
    if (beside !== undefined) return `${JSON.stringify(beside)} stands beside "$ref"`;
    return reference.startsWith('#') ? null : 'it refers to another file';
  }
  if (!('type' in schema) && !('anyOf' in schema)) return 'it has no "type"';
  if (typeof format === 'string' && !formats.has(format)) return `the format ${JSON.stringify(format)} is not taken`;
  if (typeof pattern === 'string' && lookaround.test(pattern)) return 'the pattern looks ahead or behind';
  return (
    valuesProblem(schema, counts) ??
    sizeProblem(schema, counts) ??
    objectProblem(schema) ??
    choicesProblem(schema, root)
  );
}

function valuesProblem(schema: JsonObject, counts: Counts): string | null {
  const values = Array.isArray(schema['enum']) ? schema['enum'] : [];
  counts.enumValues += values.length;
  if (counts.enumValues > mostEnumValues) return `there are more than ${mostEnumValues} values of enum`;
  const characters = charactersOf(values);
  if (values.length > longEnum.values && characters > longEnum.characters)
    return `there are more than ${longEnum.characters} characters in ${values.length} values of enum`;
  const constants = 'const' in schema ? [schema['const']] : [];
  counts.characters += characters + charactersOf(constants);
  const stranger = [...values, ...constants].find((value) => !typesOf(schema).some((type) => isOf(type, value)));
  return stranger === undefined || typesOf(schema).length === 0
    ? null
    : `the value ${JSON.stringify(stranger).slice(0, 60)} is not of its type`;
}

function sizeProblem(schema: JsonObject, counts: Counts): string | null {
  const properties = membersOf(schema['properties']);
  counts.properties += properties.length;
  if (counts.properties > mostProperties) return `there are more than ${mostProperties} properties`;
  const named = [...properties, ...membersOf(schema['$defs']), ...membersOf(schema['definitions'])];
  counts.characters += charactersOf(named);
  return counts.characters > mostCharacters
    ? `there are more than ${mostCharacters} characters in its names and values`
    : null;
}

function objectProblem(schema: JsonObject): string | null {
  const types = typesOf(schema);
  if (types.includes('array') && !('items' in schema)) return 'the list does not say of what ("items")';
  const { properties, required } = schema;
  if (!types.includes('object') && properties === undefined) return null;
  if (schema['additionalProperties'] !== false) return 'the object does not say "additionalProperties": false';
  if (properties === undefined) return 'the object has no "properties"';
  const names = membersOf(properties);
  const needed: unknown[] = Array.isArray(required) ? required : [];
  const optional = names.find((name) => !needed.includes(name));
  if (optional !== undefined) return `the property ${JSON.stringify(optional)} is not required`;
  const missing = needed.find((name) => !names.includes(name as string));
  return missing === undefined ? null : `${JSON.stringify(missing)} is required and no property`;
}

/** Objects among choices are told apart by their first property: by its name, or by values that differ. */
function choicesProblem(schema: JsonObject, root: JsonObject): string | null {
  const firsts = new Map<string, Set<unknown>>();
  for (const choice of Array.isArray(schema['anyOf']) ? schema['anyOf'] : []) {
    const [first] = Object.entries(membersObject(choiceOf(choice, root)['properties']));
    if (first === undefined) continue;
    const [name, inner] = first;
    const values = isJsonObject(inner) ? fixedValues(inner) : [];
    const known = firsts.get(name);
    if (known !== undefined && (values.length === 0 || known.size === 0 || values.some((value) => known.has(value))))
      return `two choices begin with the same property, ${JSON.stringify(name)}`;
    firsts.set(name, new Set([...(known ?? []), ...values]));
  }
  return null;
}

/** The choice itself, or what it refers to. */
function choiceOf(choice: unknown, root: JsonObject): JsonObject {
  const given = membersObject(choice);
  const { $ref: reference } = given;
  if (typeof reference !== 'string') return given;
  const place = reference.split('/').slice(1);
  return place.reduce((found, part) => membersObject(found[part.replaceAll('~1', '/').replaceAll('~0', '~')]), root);
}

function fixedValues(schema: JsonObject): unknown[] {
  if ('const' in schema) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : [];
}

function membersObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function membersOf(value: unknown): string[] {
  return Object.keys(membersObject(value));
}

function charactersOf(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);
}

function typesOf({ type }: JsonObject): unknown[] {
  if (Array.isArray(type)) return type;
  return type === undefined ? [] : [type];
}

function isOf(type: unknown, value: unknown): boolean {
  if (value === null) return type === 'null';
  if (Array.isArray(value)) return type === 'array';
  if (typeof value === 'number') return type === 'number' || (type === 'integer' && Number.isInteger(value));
  return type === typeof value;
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
