import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judged } from './judged.ts';
import { install } from './python.ts';

const missing = await install();
if (missing !== undefined) console.warn(`Skipped: boto3 cannot be installed: ${missing}`);

describe.skipIf(missing !== undefined)('the calls of AWS Node Termination Handler’s queue reader', () => {
  it('are answered, and its heartbeat and its completion are judged', async () => {
    const reader = resolve(import.meta.dirname, 'queue_reader.py');
    const { printed, result } = await judged(['--scenario', 'standalone', '--notify', 'events'], [reader]);
    expect(JSON.parse(printed)).toMatchObject({
      source: 'aws.autoscaling',
      sentAfterEvent: true,
      nodeName: expect.stringMatching(/^ip-.*\.internal$/),
      state: 'running',
      group: 'web',
      tags: expect.any(Array),
    });
    // Without the heartbeat the hook would have timed out after 900 s.
    expect(result.drains).toMatchObject([{ outcome: 'CONTINUE', heartbeats: 1 }]);
    expect(result.drains[0]?.seconds).toBeGreaterThan(1_200);
    expect(result.drains[0]?.seconds).toBeLessThan(1_230);
  });
});
