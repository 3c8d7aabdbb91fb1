import { id } from 'ci-info';

/** The CI system that this process runs in, in ci-info's words; null outside of one. ci-info reads the environment itself. */
export const ciService: string | null = id;
