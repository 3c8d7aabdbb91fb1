import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../../files/file-error.ts';
import { projectFileName } from '../../config/project-file.ts';
import { projectTemplate } from '../../config/project-template.ts';
import { UsageError } from '../../outcome/errors.ts';
import { command } from '../command.ts';

export const init = command({
  usage: 'init',
  describe: `write a commented ${projectFileName} into this folder`,
  async run(_values, context) {
    const file = join(context.io.cwd, projectFileName);
    try {
      // Shared with the team through its repository, so not private as the other files are.
      writeFileSync(file, projectTemplate, { flag: 'wx' });
    } catch (cause) {
      const code = errorCode(cause);
      const reason = code === 'EEXIST' ? 'is there already, and stays as it is' : `can not be written (${code})`;
      throw new UsageError(`${file} ${reason}`, {
        code: 'config_invalid',
        hint: 'see what is in force: cllm config explain',
        cause,
      });
    }
    context.remark(`wrote ${file}`);
    return null;
  },
});
