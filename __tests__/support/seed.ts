/**
 * The seed of this run's generated cases: `CLLM_SEED` where it is set, so that a failure can be repeated, else the clock.
 * A failing property prints its seed; a suite that generates cases by itself puts it in the names of its tests.
 */
export const seed = Number(process.env['CLLM_SEED'] ?? Date.now() % 2 ** 31);
