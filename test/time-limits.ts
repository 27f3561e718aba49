/**
 * How long one test or hook may take. The limit ends what hangs; it does not measure speed. On two idle cores no test takes
 * more than 10 s, apart from the chaos worlds, which have their own limit. Vitest's defaults (5 s, and 10 s for a hook) failed
 * tests that package the service or start processes when other programs kept the processors busy.
 */
export const TIME_LIMITS = { testTimeout: 120_000, hookTimeout: 120_000 };
