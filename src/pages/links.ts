import { decodeEntities } from '../terminal/markdown-inline.ts';

const schemes: ReadonlySet<string> = new Set(['http:', 'https:', 'mailto:']);

export interface Link {
  /** As a browser would write it, so that it follows what was checked and nothing else. */
  href: string;
  /** Where it leads, in a word: the host, or the address of a mail. */
  target: string;
}

/** An address of a reply that a page may lead to: one of the web or of a mail. Null for any other, and for a path. */
export function linkOf(address: string): Link | null {
  let url: URL;
  try {
    url = new URL(decodeEntities(address));
  } catch {
    return null;
  }
  if (!schemes.has(url.protocol)) return null;
  return { href: url.href, target: url.protocol === 'mailto:' ? url.pathname : url.host };
}
