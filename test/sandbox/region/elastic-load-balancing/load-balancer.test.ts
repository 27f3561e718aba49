import { beforeEach, describe, expect, it } from 'vitest';
import { LoadBalancer } from '../../../../sandbox/region/elastic-load-balancing/load-balancer.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';

let time: VirtualTime;
let loadBalancer: LoadBalancer;

beforeEach(() => {
  time = new VirtualTime(0);
  loadBalancer = new LoadBalancer({ time, requestsPerSecond: 100, deregistrationDelaySeconds: 300 });
});

function register(...targets: string[]) {
  for (const target of targets) loadBalancer.register(target);
}

async function pass(seconds: number) {
  const endMs = time.nowMs() + seconds * 1000;
  time.after(seconds, () => {});
  await time.runUntil(() => time.nowMs() >= endMs);
}

describe('a load balancer', () => {
  it('loses nothing while its targets come and go in peace', async () => {
    register('a', 'b');
    await pass(1_000);
    loadBalancer.deregister('a');
    await pass(300);
    loadBalancer.release('a');
    register('c');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(0);
  });

  it('loses a killed target’s share until the health check notices, and what it had in flight', async () => {
    register('a', 'b', 'c', 'd');
    await pass(60);
    loadBalancer.kill('a');
    expect(loadBalancer.requestsLost()).toBe(250); // 10 s of its 25 requests a second
    await pass(12);
    expect(loadBalancer.requestsLost()).toBe(250 + 12 * 25);
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(250 + 20 * 25);
  });

  it('loses of a target that vanishes only what comes until the health check notices', async () => {
    register('a', 'b', 'c', 'd');
    await pass(60);
    loadBalancer.vanish('a');
    expect(loadBalancer.requestsLost()).toBe(0);
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(20 * 25);
  });

  it('loses, of a deregistered target that vanishes, what had not drained away', async () => {
    register('a', 'b');
    loadBalancer.deregister('a');
    await pass(75);
    loadBalancer.vanish('a');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(375);
  });

  it('shares requests between the killed target and all others until then, new ones included', async () => {
    register('a', 'b');
    loadBalancer.kill('a');
    await pass(10);
    register('c', 'd');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(500 + 10 * 50 + 10 * 25);
  });

  it('loses, of a killed target that was deregistered, what had not drained away over the delay', async () => {
    register('a', 'b');
    loadBalancer.deregister('a');
    await pass(75);
    loadBalancer.kill('a');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(375); // three quarters of 10 s of its 50 requests a second
  });

  it.each([300, 310])('loses nothing of a target killed %i s after it was deregistered', async (seconds) => {
    register('a', 'b');
    loadBalancer.deregister('a');
    await pass(seconds);
    loadBalancer.kill('a');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(0);
  });

  it('loses nothing of a target that had ended in peace', async () => {
    register('a', 'b');
    loadBalancer.deregister('a');
    await pass(10);
    loadBalancer.release('a');
    loadBalancer.kill('a');
    expect(loadBalancer.requestsLost()).toBe(0);
  });

  it('loses everything while it has no target', async () => {
    register('a');
    await pass(60);
    loadBalancer.deregister('a');
    await pass(7);
    expect(loadBalancer.requestsLost()).toBe(700);
    register('b');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(700);
  });

  it('loses everything when its only target is killed, until there is another', async () => {
    register('a');
    loadBalancer.kill('a');
    await pass(30);
    register('b');
    await pass(1_000);
    expect(loadBalancer.requestsLost()).toBe(1_000 + 30 * 100);
  });

  it('loses nothing before it has had a target', async () => {
    await pass(1_000);
    register('a');
    expect(loadBalancer.requestsLost()).toBe(0);
  });

  it('accounts by events: however long nothing changes, nothing happens', async () => {
    let made = 0;
    const counting = {
      nowMs: () => time.nowMs(),
      after: (seconds: number, happen: () => void) => {
        made += 1;
        return time.after(seconds, happen);
      },
    };
    loadBalancer = new LoadBalancer({ time: counting, requestsPerSecond: 1, deregistrationDelaySeconds: 300 });
    register('a', 'b');
    await pass(1_000_000);
    loadBalancer.kill('a');
    await pass(1_000_000);
    expect(made).toBe(1);
    expect(loadBalancer.requestsLost()).toBe(15);
  });
});
