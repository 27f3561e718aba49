import { describe, expect, it } from 'vitest';
import { receive } from '../../../src/handlers/events/receive.ts';
import { INSTANCE_ID, notice, rejectionOf, SENT_AT_MS, settings, withNotices } from './samples.ts';

const SPOT = 'EC2 Spot Instance Interruption Warning';
const REBALANCE = 'EC2 Instance Rebalance Recommendation';

describe('a notice of EC2', () => {
  it.each([
    [SPOT, 'spot-interruption'],
    [REBALANCE, 'rebalance-recommendation'],
  ] as const)('begins a drain that nothing holds, if its kind is switched on: %s', (detailType, kind) => {
    expect(receive(notice(detailType), { ...settings, notices: [kind] })).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'drain',
        drain: {
          kind: 'notice',
          notice: { kind, instanceId: INSTANCE_ID, token: '12345678-1234-1234-1234-123456789012' },
          startedAtMs: SENT_AT_MS,
          continuations: 0,
          pollIntervalSeconds: settings.policy.pollMinSeconds,
        },
      },
    });
    const others = withNotices.notices.filter((other) => other !== kind);
    expect(receive(notice(detailType), { ...settings, notices: others })).toEqual({
      kind: 'ignored',
      reason: `no ${kind} is acted on here`,
    });
  });

  it('is rejected if it does not name its instance', () => {
    expect(rejectionOf(() => receive(notice(SPOT, { 'instance-id': 'mine' }), withNotices))).toBe(
      'The notice of EC2 cannot be understood: detail.instance-id is "mine": expected an EC2 instance id such as i-0123456789abcdef0.',
    );
  });

  it('is rejected if it has no id, which is its identity', () => {
    expect(rejectionOf(() => receive({ ...notice(SPOT), id: undefined }, withNotices))).toBe(
      'The notice of EC2 cannot be understood: id is missing: expected the id of an EventBridge event.',
    );
  });
});
