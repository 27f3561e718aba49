import { beforeAll, describe, expect, it } from 'vitest';
import { type DrillSummary, drill } from '../../sandbox/drill.ts';
import type { Happening } from '../../sandbox/region/region.ts';

describe('the drill', () => {
  const happenings: Happening[] = [];
  let summary: DrillSummary;
  beforeAll(async () => {
    summary = await drill((happening) => happenings.push(happening));
  }, 60_000);

  it('ends with CONTINUE, through a continuation, and kills no task', () => {
    expect(summary).toMatchObject({ completedWith: 'CONTINUE', completedBy: 'us', tasksKilled: 0, invocations: 2 });
    expect(summary.metrics).toMatchObject({ outcome: 'drained', Continuations: 1, TasksKilledAtDeadline: 0 });
  });

  it('completes after the last task of the instance has stopped', () => {
    const lastIndexOf = (what: RegExp) => happenings.findLastIndex((happening) => what.test(happening.what));
    const lastStop = lastIndexOf(/on i-0aaaaaaaaaaaaaaaa is STOPPED/);
    expect(lastStop).toBeGreaterThan(0);
    expect(lastIndexOf(/is completed with CONTINUE/)).toBeGreaterThan(lastStop);
  });

  it('shows when the running count would have let the instance go, tasks and all', () => {
    expect(summary.trap).toMatchObject({ holding: 3 });
  });
});
