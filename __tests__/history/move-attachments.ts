import { moveStep } from '../../src/history/attachments.ts';
import { Database } from '../../src/history/database.ts';

/** move-attachments PATH: brings the schema to the newest and moves what an earlier one wrote; a turn a step; prints a line before each. */
const database = Database.open(process.argv[2] ?? '', { uid: process.getuid?.() ?? null });
do process.stdout.write('step\n');
while (moveStep(database, 100_000));
process.stdout.write('done\n');
