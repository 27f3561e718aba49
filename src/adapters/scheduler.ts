import {
  ConflictException,
  CreateScheduleCommand,
  type CreateScheduleCommandInput,
  DeleteScheduleCommand,
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  paginateListSchedules,
  ResourceNotFoundException,
  type SchedulerClient,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { type Drain, isSameDrain, unreachable } from '../domain/drain.ts';
import type { Clock, ParkingPlaces } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { CONTINUATION_DETAIL_TYPE, continuationDetail } from './event-bridge.ts';

/** What the deployment made for the schedules of its drains. */
export interface SchedulerPlace {
  readonly scheduleGroup: string;
  /** What EventBridge Scheduler puts the continuation on the bus as. */
  readonly scheduleRoleArn: string;
  readonly eventBusArn: string;
  readonly deadLetterQueueArn: string;
  /** The `source` of the continuation events. */
  readonly eventSource: string;
}

export interface SchedulerOptions {
  readonly client: SchedulerClient;
  readonly place: SchedulerPlace;
  readonly clock: Clock;
  /** Reads the `detail` of a continuation event; throws if it cannot be understood. */
  readonly read: (detail: unknown) => Drain;
}

/**
 * Parks drains as one-time schedules: one for each container instance, named after it, so that an ECS event finds it and
 * no drain has two. When it comes, a schedule puts the same continuation event on the bus as handing over does.
 */
export function schedulerParkingPlaces({ client, place, clock, read }: SchedulerOptions) {
  const { scheduleGroup: GroupName, scheduleRoleArn: RoleArn, eventBusArn, deadLetterQueueArn, eventSource } = place;

  const scheduleOf = (drain: Drain, untilMs: number): CreateScheduleCommandInput => ({
    GroupName,
    Name: nameOf(drain),
    ScheduleExpression: `at(${new Date(untilMs).toISOString().slice(0, 19)})`,
    FlexibleTimeWindow: { Mode: 'OFF' },
    // The drain deletes it when it ends. AWS would do so some time after it came, and by then it may be the next one:
    // see docs/decisions/0007.
    ActionAfterCompletion: 'NONE',
    Target: {
      Arn: eventBusArn,
      RoleArn,
      EventBridgeParameters: { Source: eventSource, DetailType: CONTINUATION_DETAIL_TYPE },
      Input: continuationDetail(drain),
      DeadLetterConfig: { Arn: deadLetterQueueArn },
    },
  });

  const drainIn = (schedule: GetScheduleCommandOutput | undefined) => read(JSON.parse(schedule?.Target?.Input ?? ''));

  /** The places, for one invocation: every call ends with the signal. */
  return (signal: AbortSignal): ParkingPlaces => {
    const sending = { abortSignal: signal };

    const scheduleNamed = async (Name: string) => {
      try {
        return await client.send(new GetScheduleCommand({ GroupName, Name }), sending);
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return undefined;
        throw error;
      }
    };

    const remove = async (Name: string) => {
      try {
        await client.send(new DeleteScheduleCommand({ GroupName, Name }), sending);
      } catch (error) {
        if (!(error instanceof ResourceNotFoundException)) throw error;
      }
    };

    /** Whether the drain waits there already. One whose time has come waits no more: it is on its way, or lost. */
    const isParked = async (drain: Drain): Promise<boolean> => {
      const existing = await scheduleNamed(nameOf(drain));
      const comesAtMs = Date.parse(`${existing?.ScheduleExpression?.slice('at('.length, -1)}Z`);
      return comesAtMs > clock.nowMs() && isOf(drain, existing);
    };

    const isOf = (drain: Drain, schedule: GetScheduleCommandOutput | undefined): boolean => {
      try {
        return isSameDrain(drainIn(schedule), drain);
      } catch {
        return false; // What cannot be read cannot go on either.
      }
    };

    return {
      park: (drain, untilMs, onPlace) =>
        awsCall(`park the drain of ${drain.action.instanceId}`, async () => {
          const schedule = scheduleOf(drain, untilMs);
          // Whoever was faster goes on with the drain.
          const created = async () => {
            try {
              await client.send(new CreateScheduleCommand(schedule), sending);
              return 'parked';
            } catch (error) {
              if (error instanceof ConflictException) return 'taken';
              throw error;
            }
          };
          // Whether an update makes one come again that has come is nowhere said (facts 36 schedule-update). A crash
          // between the two is made good by Lambda, which tries the event again.
          const createdAnew = async () => {
            await remove(nameOf(drain));
            return created();
          };
          switch (onPlace) {
            case 'new':
              if ((await created()) === 'parked') return 'parked';
              // Or what is there was left by a drain that came to no end.
              return (await isParked(drain)) ? 'taken' : createdAnew();
            case 'own':
              try {
                await client.send(new UpdateScheduleCommand(schedule), sending);
                return 'parked';
              } catch (error) {
                if (!(error instanceof ResourceNotFoundException)) throw error;
                return created();
              }
            case 'spent':
              return createdAnew();
            default:
              return unreachable(onPlace);
          }
        }),

      parkedOn: (containerInstanceArn, on = 'lifecycle-action') =>
        awsCall(`look for a drain that is parked on ${containerInstanceArn}`, async () => {
          const schedule = await scheduleNamed(nameFor(containerInstanceArn, on === 'notice'));
          return schedule && drainIn(schedule);
        }),

      parkedAtMs: () =>
        awsCall(`list the schedules of ${GroupName}`, async () => {
          const pages = paginateListSchedules({ client, pageSize: 100 }, { GroupName }, sending);
          const schedules = (await Array.fromAsync(pages)).flatMap((page) => page.Schedules ?? []);
          const changedAtMs = new Map(
            schedules.map(({ Name, LastModificationDate: changedAt }) => [Name, changedAt?.getTime()]),
          );
          return (containerInstanceArn) => changedAtMs.get(nameFor(containerInstanceArn));
        }),

      release: (drain) => awsCall(`delete the schedule of ${drain.action.instanceId}`, () => remove(nameOf(drain))),
    };
  };
}

/** A drain on a notice has a place of its own: the drain of a lifecycle action must never be overwritten by it. */
function nameOf({ action, containerInstance }: Drain): string {
  return nameFor(containerInstance, 'notice' in action);
}

/** The last part of its ARN: unique, and in the letters that a schedule's name may have. */
function nameFor(containerInstanceArn = '', isOnNotice = false): string {
  return `${containerInstanceArn.split('/').at(-1)}${isOnNotice ? '-notice' : ''}`;
}
