import { defineFunctions, sqliteEngine } from '../../src/history/database.ts';

/**
 * The SQLite that the history in this process has: with a second one beside it, neither sees the other's locks on a file.
 * It knows what the triggers of the schema call.
 */
export class DatabaseSync extends sqliteEngine().DatabaseSync {
  constructor(...options: ConstructorParameters<ReturnType<typeof sqliteEngine>['DatabaseSync']>) {
    super(...options);
    defineFunctions(this);
  }
}
