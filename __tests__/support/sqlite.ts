import { sqliteEngine } from '../../src/history/database.ts';

/**
 * The SQLite that the history in this process has: with a second one beside it, neither sees the other's locks on a file.
 */
export const { DatabaseSync } = sqliteEngine();
