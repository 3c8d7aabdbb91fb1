import sea from 'node:sea';
import { type Assets, EmbeddedChunks } from './loader/embedded-chunks.ts';
import { launch } from './loader/launch.ts';

/** The command as one file: the entry of a single executable, with the package's chunks inside. SQLite is Node's own. */
launch(process, () => new EmbeddedChunks(sea as Assets, process.execPath));
