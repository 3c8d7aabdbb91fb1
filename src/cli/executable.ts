import sea from 'node:sea';
import { type Assets, EmbeddedCode } from './loader/embedded-code.ts';
import { launch } from './loader/launch.ts';

/** The command as one file: the entry of a single executable, with the package's parts inside. SQLite is Node's own. */
launch(process, () => new EmbeddedCode(sea as Assets, process.execPath));
