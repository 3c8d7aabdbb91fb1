import { availableParallelism } from 'node:os';

/** @type {import('jest').Config} */
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true }] },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.litellm/', '<rootDir>/.stryker/'],
};

/** @type {import('jest').Config} */
export default {
  // Most tests wait for processes that they start: on two cores Jest's own choice, one worker, leaves one of them idle.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  // Real processes on two busy cores: the limit is there to end a hang, not to measure.
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/__tests__/support/closing-line.mjs'],
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['**/__tests__/**/*.test.ts'],
      testPathIgnorePatterns: [
        '/node_modules/',
        '<rootDir>/.stryker/',
        '/__tests__/litellm/',
        '\\.litellm\\.test\\.ts$',
        // Built with the Node that it holds, which needs a SQLite of its own: npm run test:node runs it.
        ...(process.env['CLLM_TEST_NODE'] === undefined ? ['/e2e/executable\\.test\\.ts$'] : []),
      ],
    },
    {
      // What needs a real LiteLLM proxy, or its Python. The proxy is started once, and only when one of these tests runs.
      ...shared,
      displayName: 'litellm',
      testMatch: ['**/__tests__/litellm/**/*.test.ts', '**/__tests__/**/*.litellm.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/.stryker/'],
      globalSetup: '<rootDir>/__tests__/support/litellm-setup.mjs',
      globalTeardown: '<rootDir>/__tests__/support/litellm-teardown.mjs',
    },
  ],
};
