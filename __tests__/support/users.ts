import { chownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Users for the tests of what one may do to another. Only root may be several users, and what these tests hold must not
 * go untested without a word, so they fail where they are run by somebody else: CI runs them in a container, or with sudo.
 */
export const victim = 12_345;
export const neighbour = 23_456;

export function assertRoot(): void {
  if (process.getuid?.() !== 0) {
    throw new Error('these tests act as several users, which only root may: run them with sudo, or in a container');
  }
}

/** Gives a file, or a folder with all that is in it, to a user. Links themselves, not what they lead to. */
export function give(path: string, uid: number): void {
  const stats = lstatSync(path);
  if (stats.isDirectory()) for (const name of readdirSync(path)) give(join(path, name), uid);
  if (!stats.isSymbolicLink()) chownSync(path, uid, uid);
}
