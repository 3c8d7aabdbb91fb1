import type { Limits } from '../../../admin/people-file.ts';
import { formatUsd } from '../../../spending/usd.ts';

/** `$5.00 a 1d, 60 rpm, hello gpt`; nothing where there is no limit. */
export function limitsText(limits: Limits): string {
  const { max_budget: most, budget_duration: every } = limits;
  return [
    most === null ? null : `${formatUsd(most)}${every === null ? '' : ` each ${every}`}`,
    limits.rpm_limit === null ? null : `${limits.rpm_limit} rpm`,
    limits.tpm_limit === null ? null : `${limits.tpm_limit} tpm`,
    limits.max_parallel_requests === null ? null : `${limits.max_parallel_requests} at a time`,
    limits.models.length === 0 ? null : limits.models.join(' '),
  ]
    .filter((each) => each !== null)
    .join(', ');
}
