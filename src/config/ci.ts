import type { Environment } from './paths.ts';

/** Whether this is a job of a CI system: one of these is set in every one that is told apart. `CI=false` says no. */
export function isCi(env: Environment): boolean {
  if (/^(false|0|no)$/i.test(env['CI'] ?? '')) return false;
  return ['CI', 'JENKINS_URL', 'TF_BUILD'].some((name) => env[name]);
}
