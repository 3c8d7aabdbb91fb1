import sea from 'node:sea';
import { type Assets, EmbeddedChunks } from './loader/embedded-chunks.ts';
import { launch } from './loader/launch.ts';

/** The name of SQLite's file for the platform that the executable is for, put in by its build. */
declare const __ADDON__: string;

/** The command as one file: the entry of a single executable, with the package's chunks inside. */
launch(process, (whose) => {
  const chunks = new EmbeddedChunks(sea as Assets, __ADDON__, whose);
  process.on('exit', () => chunks.removeTemporary());
  return chunks;
});
