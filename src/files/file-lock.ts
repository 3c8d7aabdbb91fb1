import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CllmError } from '../errors.ts';
import { type ProcessIdentity, processState } from './process-identity.ts';

/**
 * Makes this process the one writer of a file, until the function that it gives is called. Each claimant first puts down a file that names it and
 * then looks for the others', so of two at the same time at least one sees the other, and a claim that a dead process
 * left can be removed by anybody without a race: its name never comes back.
 *
 * @throws CllmError `output_failed` when another process writes the file
 */
export function lockFile(file: string, identity: ProcessIdentity): () => void {
  const directory = path.dirname(file);
  const prefix = `.${path.basename(file)}.lock-`;
  const own = `${prefix}${identity.pid}-${identity.startedAt.replace(/[^0-9A-Za-z]/g, '')}`;
  const release = (): void => rmSync(path.join(directory, own), { force: true });
  // Whole from the moment it has its name: a claim that is half written would look like a dead one.
  writeFileSync(path.join(directory, `.${own}`), JSON.stringify(identity), { mode: 0o600 });
  renameSync(path.join(directory, `.${own}`), path.join(directory, own));
  try {
    for (const name of readdirSync(directory)) {
      if (name === own || !name.startsWith(prefix)) continue;
      const claim = path.join(directory, name);
      const holder = readClaim(claim);
      if (holder === null || processState(holder, identity) === 'gone') rmSync(claim, { force: true });
      else throw isHeld(file, claim, holder, processState(holder, identity) === 'unknown');
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/** Null for a claim that is gone meanwhile, or that is none. */
function readClaim(claim: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(claim, 'utf8')) as ProcessIdentity;
  } catch {
    return null;
  }
}

function isHeld(file: string, claim: string, holder: ProcessIdentity, isElsewhere: boolean): CllmError {
  const where = isElsewhere ? ` on another host or in another container (${holder.realm.split(' ')[0]})` : '';
  return new CllmError('output_failed', `another cllm, process ${holder.pid}${where}, is writing ${file}`, {
    hint: isElsewhere
      ? `if it has ended, remove its claim: rm ${claim}`
      : 'wait for it, or name another output with -o',
  });
}
