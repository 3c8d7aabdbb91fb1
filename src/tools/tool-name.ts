import { createHash } from 'node:crypto';

/** What every provider takes as the name of a function. */
const longestName = 64;

/**
 * The name that a model calls a server's tool by: `SERVER-TOOL`, as LiteLLM itself names it. Where that would be too long,
 * hold other characters, or be another tool's as well, it ends in a hash of both names: the same in every run, whichever
 * other tools there are.
 */
export function modelName(server: string, tool: string, taken: ReadonlySet<string> = new Set()): string {
  const plain = `${server}-${tool}`;
  // A server without a hyphen ends at the first one, so no two of these are the same.
  if (/^\w+-[\w-]+$/.test(plain) && !server.includes('-') && plain.length <= longestName && !taken.has(plain))
    return plain;
  const readable = plain.replaceAll(/[^\w-]+/g, '_');
  for (let round = 0; ; round += 1) {
    const hash = createHash('sha256')
      .update(JSON.stringify([server, tool, round]))
      .digest('hex')
      .slice(0, 12);
    const name = `${readable.slice(0, longestName - hash.length - 1)}_${hash}`;
    if (!taken.has(name)) return name;
  }
}
