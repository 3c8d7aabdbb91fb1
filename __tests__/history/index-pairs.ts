import { Database } from '../../src/history/database.ts';
import { indexStep } from '../../src/history/search-index.ts';

/** index-pairs PATH: brings the schema to the newest and indexes what an earlier one wrote; prints a line before each step. */
const database = Database.open(process.argv[2] ?? '', { uid: process.getuid?.() ?? null });
do process.stdout.write('step\n');
while (indexStep(database));
process.stdout.write('done\n');
