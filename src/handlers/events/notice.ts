import * as v from 'valibot';
import { instanceId, name } from '../../adapters/schemas.ts';
import { type NoticeKind, newNoticeDrain } from '../../domain/drain.ts';
import type { Settings } from '../settings.ts';
import { type Envelope, ignored, parsed, type Received } from './event.ts';
import { whyNotOurs } from './ours.ts';

/** What the notices of EC2 have in common (facts 6 ec2-notices). The id of the event identifies the drain. */
const notice = v.looseObject({
  id: name('the id of an EventBridge event'),
  detail: v.looseObject({ 'instance-id': instanceId }),
});

/** EC2 Spot Instance Interruption Warning, EC2 Instance Rebalance Recommendation: begins a drain that nothing holds. */
export function receiveNotice(kind: NoticeKind) {
  return ({ id, sentAtMs: startedAtMs, detail }: Envelope, settings: Settings): Received => {
    if (!settings.notices.includes(kind)) return ignored(`no ${kind} is acted on here`);
    const event = parsed(notice, { id, detail }, 'The notice of EC2');
    const subject = { kind, instanceId: event.detail['instance-id'], token: event.id };
    const drain = newNoticeDrain(subject, { startedAtMs, pollIntervalSeconds: settings.policy.pollMinSeconds });
    const notOurs = whyNotOurs(drain, settings);
    return notOurs ? ignored(notOurs) : { kind: 'arrival', arrival: { kind: 'drain', drain } };
  };
}
