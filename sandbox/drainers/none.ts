import type { Install } from './drainer.ts';

/** No one drains: the group has no lifecycle hook, and EC2 terminates at once. */
export const none: Install = async () => ({ lambda: undefined, instancesOf: () => [] });
