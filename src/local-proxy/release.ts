import { UsageError } from '../outcome/errors.ts';

/**
 * The LiteLLM that cllm installs and is tested against. It is pinned because the proxy's wire changes between releases,
 * and because releases of this package have been malicious.
 */
export const litellmVersion = '1.108.7';

/** Pure Python, and only needed so that a missing key is answered with 401: without it the proxy answers 500. */
const prismaVersion = '0.15.0';

/** What the two packages and theirs take on disk, measured on Linux; pip's own cache comes on top. */
export const installedSize = '0.7 GB';

/** 1.82.7 and 1.82.8 were malicious, 1.107.0 is reported compromised. */
const refusedVersions: readonly string[] = ['1.82.7', '1.82.8', '1.107.0'];

/** Before it, a SQL injection and an authentication bypass were open to anyone who reached the port. */
const oldestSafeVersion = [1, 84, 3] as const;

/**
 * What to install for a version of LiteLLM.
 *
 * @throws UsageError for a version that must not be run.
 */
export function litellmRelease(version: string = litellmVersion): { requirements: string[]; image: string } {
  const match = /^(\d+)\.(\d+)\.(\d+)$/.exec(version);
  if (match === null) {
    throw new UsageError(`"${version}" is no LiteLLM release`, { hint: `name one such as ${litellmVersion}` });
  }
  const parts = match.slice(1).map(Number);
  const difference = oldestSafeVersion.map((part, index) => (parts[index] ?? 0) - part).find((part) => part !== 0) ?? 0;
  if (refusedVersions.includes(version) || difference < 0) {
    throw new UsageError(`LiteLLM ${version} is known to be unsafe to run`, {
      hint: `use ${litellmVersion}, which cllm is tested with`,
    });
  }
  return {
    requirements: [`litellm[proxy]==${version}`, `prisma==${prismaVersion}`],
    image: `ghcr.io/berriai/litellm:v${version}`,
  };
}
