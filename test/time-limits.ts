/**
 * How long one test or hook may take. The limit ends what hangs; it does not measure speed. Tests that package the service or
 * start processes take some 10 s on two idle cores and two minutes on cores that ten programs share. Vitest's defaults are 5 s,
 * and 10 s for a hook. The chaos worlds have a limit of their own.
 */
export const TIME_LIMITS = { testTimeout: 300_000, hookTimeout: 300_000 };
