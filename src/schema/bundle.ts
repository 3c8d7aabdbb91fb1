import { isJsonObject, type JsonObject } from '../protocol/json.ts';

/** Reads a file by its path relative to the first schema's folder, with `/` between; throws what says why it can not. */
export type ReadSchema = (file: string) => Promise<unknown>;

/** Schemas of other files that one may be made of. */
const mostFiles = 100;

/** A reference that can not be followed. */
export class SchemaReferenceError extends Error {}

/**
 * A schema with what it refers to in other files put into its `$defs`, so that one document says it all, for the provider
 * and for the check. A file is named relative to the one that refers to it, and lies in the folder of the first or below.
 * Nothing is fetched: an address is one of a schema that is in the document, or an error.
 *
 * @throws SchemaReferenceError that names the reference
 */
export async function bundled(schema: JsonObject, read: ReadSchema): Promise<JsonObject> {
  if (!someReference(schema, isElsewhere)) return schema;
  const files = new Map<string, { name: string; schema: JsonObject }>();
  const taken = new Set(Object.keys(isJsonObject(schema['$defs']) ? schema['$defs'] : {}));

  const nameOf = async (file: string, reference: string): Promise<string> => {
    const known = files.get(file);
    if (known !== undefined) return known.name;
    if (files.size >= mostFiles) throw new SchemaReferenceError(`it is made of more than ${mostFiles} files`);
    const stem = file.replace(/\.json$/i, '').replace(/[^A-Za-z0-9_-]+/g, '_');
    let name = stem;
    for (let count = 2; taken.has(name); count += 1) name = `${stem}_${count}`;
    taken.add(name);
    const found = await read(file);
    if (!isJsonObject(found)) throw new SchemaReferenceError(`it refers to ${reference}, which is no JSON object`);
    // Its own base would lead references of the whole astray.
    const { $id: _id, $schema: _schema, ...rest } = found;
    const entry = { name, schema: rest };
    files.set(file, entry);
    entry.schema = (await followed(rest, file, name, idsIn(found))) as JsonObject;
    return name;
  };

  /** `own` is the place of the file in `$defs`; null for the first one. */
  const followed = async (
    value: unknown,
    file: string,
    own: string | null,
    ids: ReadonlySet<string>,
  ): Promise<unknown> => {
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const each of value) items.push(await followed(each, file, own, ids));
      return items;
    }
    if (!isJsonObject(value)) return value;
    const members: [string, unknown][] = [];
    for (const [name, each] of Object.entries(value)) {
      if (isData(name)) members.push([name, each]);
      else if (name !== '$ref' || typeof each !== 'string') members.push([name, await followed(each, file, own, ids)]);
      else members.push([name, await led(each, file, own, ids)]);
    }
    return Object.fromEntries(members);
  };

  const led = async (
    reference: string,
    file: string,
    own: string | null,
    ids: ReadonlySet<string>,
  ): Promise<string> => {
    const [target = '', pointer = ''] = reference.split('#', 2);
    if (target === '') return own === null || !/^(\/|$)/.test(pointer) ? reference : `#/$defs/${own}${pointer}`;
    if (ids.has(target)) return reference;
    const path = resolved(file, target);
    if (path === null) {
      const why = isAddress(target)
        ? 'which is not fetched: put the file beside the schema, and refer to that'
        : 'which is not in the folder of the schema or below it';
      throw new SchemaReferenceError(`it refers to ${reference}, ${why}`);
    }
    if (pointer !== '' && !pointer.startsWith('/'))
      throw new SchemaReferenceError(`it refers to ${reference}: of another file, only a JSON pointer is followed`);
    return path === '' ? `#${pointer}` : `#/$defs/${await nameOf(path, reference)}${pointer}`;
  };

  const root = (await followed(schema, '', null, idsIn(schema))) as JsonObject;
  const definitions = Object.fromEntries([...files.values()].map((entry) => [entry.name, entry.schema]));
  return { ...root, $defs: { ...(isJsonObject(root['$defs']) ? root['$defs'] : {}), ...definitions } };
}

/** Whether it names a file, which may be read, and nothing of this document. */
function isElsewhere(reference: string, ids: ReadonlySet<string>): boolean {
  const [target = ''] = reference.split('#', 1);
  return target !== '' && !ids.has(target);
}

function isAddress(target: string): boolean {
  return /^[a-z][a-z0-9+.-]*:|^\/\//i.test(target);
}

/** From a file's folder on; null where that leads out of the first one's. */
function resolved(from: string, target: string): string | null {
  if (isAddress(target) || target.startsWith('/') || target.includes('\\') || target.includes('\0')) return null;
  const parts = from.split('/').slice(0, -1);
  for (const part of decoded(target).split('/')) {
    if (part === '..' && parts.pop() === undefined) return null;
    if (part !== '..' && part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

function decoded(target: string): string {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

function isData(name: string): boolean {
  return name === 'const' || name === 'enum' || name === 'default' || name === 'examples';
}

function idsIn(schema: JsonObject): Set<string> {
  const ids = new Set<string>();
  const left: unknown[] = [schema];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    const id: unknown = (value as JsonObject)['$id'];
    if (typeof id === 'string') ids.add(id.replace(/#$/, ''));
    for (const inner of Object.values(value)) left.push(inner);
  }
  return ids;
}

function someReference(schema: JsonObject, test: (reference: string, ids: ReadonlySet<string>) => boolean): boolean {
  const ids = idsIn(schema);
  const left: unknown[] = [schema];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, inner] of Object.entries(value)) {
      if (name === '$ref' && typeof inner === 'string' && test(inner, ids)) return true;
      if (!isData(name)) left.push(inner);
    }
  }
  return false;
}
