import { isJsonObject, type JsonObject } from '../protocol/json.ts';

/** The one member of the object that stands around what is no object. */
const member = 'value';

/**
 * A schema as providers take it: an object at its root, which OpenAI and those that follow it want. What is none (a list, a
 * number, one of several) becomes the only member of one; definitions stay where references look for them.
 *
 * @returns the schema itself where it is an object, or does not say
 */
export function wrapped(schema: JsonObject): JsonObject {
  if (!isBare(schema)) return schema;
  const { $schema, $id, $defs, definitions, title, description, ...bare } = schema;
  return {
    ...($schema !== undefined && { $schema }),
    ...($id !== undefined && { $id }),
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    type: 'object',
    properties: { [member]: redirected(bare) },
    required: [member],
    additionalProperties: false,
    ...($defs !== undefined && { $defs: redirected($defs) }),
    ...(definitions !== undefined && { definitions: redirected(definitions) }),
  };
}

/** What stands in the object that was asked for; null for a reply that did without. */
export function unwrapped({
  text,
  value,
  note,
}: {
  text: string;
  value: unknown;
  note: string | null;
}): { text: string; value: unknown; note: string | null } | null {
  if (!isJsonObject(value) || Object.keys(value).length !== 1 || !Object.hasOwn(value, member)) return null;
  const inner = value[member];
  // As it stood there: a long number would not survive being read and written.
  const [, asWritten] = /^\s*\{\s*"value"\s*:\s*([^]*?)\s*\}\s*$/.exec(text) ?? [];
  return { text: asWritten ?? JSON.stringify(inner), value: inner, note };
}

function isBare({ type, ...schema }: JsonObject): boolean {
  if (typeof type === 'string') return type !== 'object';
  if (Array.isArray(type)) return true;
  return ['enum', 'const', 'anyOf', 'oneOf'].some((keyword) => keyword in schema) && !('properties' in schema);
}

/** References to the root, and into it past its definitions, lead to where that stands now. */
function redirected(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(redirected);
  if (!isJsonObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, each]) => {
      // Data, whatever it looks like.
      if (['const', 'enum', 'default', 'examples'].includes(name)) return [name, each];
      if (name !== '$ref' || typeof each !== 'string') return [name, redirected(each)];
      const isOurs = each === '#' || (each.startsWith('#/') && !/^#\/(\$defs|definitions)\//.test(each));
      return [name, isOurs ? `#/properties/${member}${each.slice(1)}` : each];
    }),
  );
}
