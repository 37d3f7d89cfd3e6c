import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
      // decide() is the product's one verdict: every branch of it is exercised, always.
      thresholds: {
        'src/policy/decide.ts': { statements: 100, branches: 100, functions: 100, lines: 100 },
        'src/policy/quorum.ts': { statements: 100, branches: 100, functions: 100, lines: 100 },
      },
    },
  },
});
