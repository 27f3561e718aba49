/** When the Regions of tests begin. */
export const START_MS = Date.UTC(2026, 0, 1);
