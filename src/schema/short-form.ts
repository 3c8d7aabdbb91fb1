import type { JsonObject } from '../protocol/json.ts';

const types: Readonly<Record<string, string>> = {
  str: 'string',
  string: 'string',
  text: 'string',
  int: 'integer',
  integer: 'integer',
  num: 'number',
  number: 'number',
  float: 'number',
  bool: 'boolean',
  boolean: 'boolean',
};

/** Whether what `--output-schema` was given is a schema itself, and no path: JSON, or fields with a comma or a blank between. */
export function isInlineSchema(given: string): boolean {
  return given.trimStart().startsWith('{') || isShortForm(given);
}

/** A path may have blanks and commas in it, as its folders may; a field has neither a slash nor the ending of a file. */
export function isShortForm(given: string): boolean {
  const text = given.trim();
  return !text.startsWith('{') && /[,\s]/.test(text) && !/\/|\.json$/i.test(text);
}

/**
 * `name, age int, tags string[]`: an object of these fields, each needed and no other. A field without a type is a text.
 *
 * @throws Error that names the field which is none
 */
export function shortSchema(given: string): JsonObject {
  const fields = given
    .split(',')
    .map((field) => field.trim())
    .filter((field) => field !== '');
  const properties = new Map<string, JsonObject>();
  for (const field of fields) {
    const [, name = '', word = 'string', isList] =
      /^([A-Za-z_][\w-]*)(?:\s*:\s*|\s+)?([A-Za-z]+)?(\[\])?$/.exec(field) ?? [];
    const type = Object.hasOwn(types, word.toLowerCase()) ? types[word.toLowerCase()] : undefined;
    if (name === '' || type === undefined)
      throw new Error(
        `${JSON.stringify(field)} is no field: write NAME TYPE, a type being string, int, number or bool, with [] for a list`,
      );
    if (properties.has(name)) throw new Error(`the field ${JSON.stringify(name)} stands there twice`);
    properties.set(name, isList === undefined ? { type } : { type: 'array', items: { type } });
  }
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: [...properties.keys()],
    additionalProperties: false,
  };
}
