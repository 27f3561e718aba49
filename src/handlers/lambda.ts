import { createDrainHandler } from './drain-handler.ts';

/** For a rehearsal of the deployed bundle on another clock. */
export { createDrainHandler };

/** The function's entry point; settings that cannot be used fail here, before any event is taken. */
export const handler = createDrainHandler(process.env);
