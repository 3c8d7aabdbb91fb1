import { Credentials } from '../../config/credentials.ts';
import type { Paths } from '../../config/paths.ts';
import { describeOrigin, isProjectsAlone, type Settings } from '../../config/settings.ts';
import { shellWord } from '../../protocol/shell-word.ts';
import { type Grant, trustedUrls, TrustStore } from '../../config/trust.ts';
import { UsageError } from '../../outcome/errors.ts';
import type { Io } from '../io.ts';
import { remark } from '../views/report.ts';
import { isConfirmed, mayAsk } from '../input/confirm.ts';

export interface TrustQuestion {
  settings: Settings;
  paths: Pick<Paths, 'credentialsFile' | 'trustDirectory'>;
  io: Io;
  /** `--trust-project`. */
  isTrustedByFlag: boolean;
  /** `--no-stdin`: nobody is asked. */
  isInputIgnored: boolean;
}

/**
 * Nothing is sent to a base URL that a project file alone names before somebody said yes to it: the file may have come
 * with a repository, and what is asked there, with its files, diffs and headers, would go to whom its author chose.
 *
 * A key that was entered for the URL is such a word, too; so are `cllm config trust`, `CLLM_TRUST` and `--trust-project`.
 *
 * @throws UsageError `project_untrusted` when nobody said so, and nobody can be asked or the answer is no
 */
export async function assertProjectTrusted(question: TrustQuestion): Promise<void> {
  const { settings, paths, io } = question;
  const grant = neededGrant(settings);
  if (grant === null || question.isTrustedByFlag) return;
  const store = new TrustStore(paths.trustDirectory, io.uid);
  if (trustedUrls(io.env).includes(grant.value)) return;
  if (new Credentials(paths.credentialsFile, io).get(grant.value) !== null || store.has(grant)) return;
  if (!mayAsk(io, question.isInputIgnored)) throw untrusted(settings, grant, 'and nobody here has allowed that');
  await remark(
    io.stderr,
    `${describeOrigin(settings.baseUrl.origin)} names a proxy that you have not used so far: ${grant.value}`,
  );
  await remark(
    io.stderr,
    `what you ask in ${grant.folder}, with its files, input and headers, goes there; a key only if you enter one for it`,
  );
  if (!(await isConfirmed(`Send what is asked in ${grant.folder} to ${grant.value}?`, io)))
    throw untrusted(settings, grant, 'and you did not allow that');
  store.add(grant);
}

/** What somebody has to allow before this run may send anything; null when the base URL is the user's own. */
function neededGrant(settings: Settings): Grant | null {
  if (!isProjectsAlone(settings) || settings.projectFolder === null) return null;
  return { kind: 'base_url', folder: settings.projectFolder, value: settings.baseUrl.value };
}

function untrusted(settings: Settings, { folder, value }: Grant, why: string): UsageError {
  return new UsageError(`${describeOrigin(settings.baseUrl.origin)} alone names ${value}, ${why}: nothing was sent`, {
    code: 'project_untrusted',
    hint:
      `look at the file, then: cllm config trust ${shellWord(folder, 'DIR')}; ` +
      `in CI: LITELLM_PROXY_URL=${shellWord(value, 'URL')}, or CLLM_TRUST=${shellWord(value, 'URL')}; for one run: --trust-project`,
  });
}
