import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judged } from './judged.ts';
import { install } from './python.ts';

const missing = await install();
if (missing !== undefined) console.warn(`Skipped: boto3 cannot be installed: ${missing}`);

describe.skipIf(missing !== undefined)('AWS’s own waiters', () => {
  it('wait on the local Region for what they are named after, and end', async () => {
    const { printed } = await judged(['--scenario', 'standalone'], [resolve(import.meta.dirname, 'waiters.py')]);
    const waited: Record<string, number> = JSON.parse(printed);
    expect(waited['services_stable_at_once']).toBeLessThan(1);
    // It takes 40 s to replace the task, and 300 s until the load balancer lets go of it. The waiter looks every 15 s, or every 6 s.
    expect(waited['services_stable']).toBeGreaterThan(30);
    expect(waited['services_stable']).toBeLessThan(75);
    expect(waited['tasks_stopped']).toBeGreaterThan(300 - 75);
    expect(waited['tasks_stopped']).toBeLessThan(350);
    expect(waited['instance_terminated']).toBeLessThan(60);
  });
});
