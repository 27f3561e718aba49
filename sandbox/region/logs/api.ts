import type {
  DescribeLogGroupsRequest,
  DescribeLogGroupsResponse,
  DescribeLogStreamsRequest,
  DescribeLogStreamsResponse,
  FilterLogEventsRequest,
  FilterLogEventsResponse,
  GetLogEventsRequest,
  GetLogEventsResponse,
  LogStream,
} from '@aws-sdk/client-cloudwatch-logs';
import { AwsError } from '../aws-error.ts';
import { pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import { logTest } from './filter-pattern.ts';
import type { LogEvent, LogGroup, Logs } from './model.ts';

/** Of events; and of groups and streams (CloudWatch Logs API reference). */
const LARGEST_PAGE = { events: 10_000, descriptions: 50 };

/** The latest events come first only since then (CloudWatch Logs API reference, FilterLogEvents). */
const FIRST_FROM_END_MS = Date.UTC(2024, 0, 1);

/** CloudWatch Logs' API over what the functions of the Region have written. */
export function logsService(logs: Logs, place: Place): Service {
  return { name: 'logs', operations: { ...aboutGroups(logs, place), ...aboutEvents(logs, place) } };
}

/** A group is named by its name or by its ARN. */
interface Named {
  readonly logGroupName?: string | undefined;
  readonly logGroupIdentifier?: string | undefined;
}

function groupIn({ groups }: Logs, { region, account }: Place, { logGroupName, logGroupIdentifier }: Named): LogGroup {
  if ((logGroupName === undefined) === (logGroupIdentifier === undefined)) {
    throw invalid('Exactly one of logGroupName and logGroupIdentifier must be given.');
  }
  const ours = `arn:aws:logs:${region}:${account}:log-group:`;
  const identifier = logGroupIdentifier?.replace(/:\*$/, '') ?? '';
  const name = logGroupName ?? (identifier.startsWith(ours) ? identifier.slice(ours.length) : identifier);
  const group = groups.get(name);
  if (!group) throw new AwsError('ResourceNotFoundException', 'The specified log group does not exist.');
  return group;
}

function aboutGroups(logs: Logs, place: Place): Service['operations'] {
  const { region, account } = place;
  const arnOf = ({ name }: LogGroup) => `arn:aws:logs:${region}:${account}:log-group:${name}`;

  return {
    DescribeLogGroups: (input: DescribeLogGroupsRequest): DescribeLogGroupsResponse => {
      const { logGroupNamePrefix = '', logGroupNamePattern = '', nextToken, limit } = input;
      if (logGroupNamePrefix !== '' && logGroupNamePattern !== '') {
        throw invalid('LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.');
      }
      const groups = [...logs.groups.values()]
        .filter(({ name }) => name.startsWith(logGroupNamePrefix))
        // Only the prefix distinguishes capital and small letters (CloudWatch Logs API reference).
        .filter(({ name }) => name.toLowerCase().includes(logGroupNamePattern.toLowerCase()))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const { items, next } = pageOf(groups, { size: limit ?? LARGEST_PAGE.descriptions, token: nextToken });
      return {
        logGroups: items.map((group) => ({
          logGroupName: group.name,
          creationTime: group.createdAtMs,
          metricFilterCount: 0,
          arn: `${arnOf(group)}:*`,
          logGroupArn: arnOf(group),
          logGroupClass: 'STANDARD',
          storedBytes: group.events.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0),
        })),
        ...(next !== undefined && { nextToken: next }),
      };
    },

    DescribeLogStreams: (input: DescribeLogStreamsRequest): DescribeLogStreamsResponse => {
      const { logStreamNamePrefix, orderBy, descending = false, nextToken, limit } = input;
      const group = groupIn(logs, place, input);
      if (orderBy === 'LastEventTime' && logStreamNamePrefix !== undefined) {
        throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
      }
      const streams = streamsOf(group, arnOf(group)).filter(({ logStreamName = '' }) =>
        logStreamName.startsWith(logStreamNamePrefix ?? ''),
      );
      if (orderBy === 'LastEventTime') {
        streams.sort((a, b) => (a.lastEventTimestamp ?? 0) - (b.lastEventTimestamp ?? 0));
      }
      const ordered = descending ? streams.toReversed() : streams;
      const { items, next } = pageOf(ordered, { size: limit ?? LARGEST_PAGE.descriptions, token: nextToken });
      return { logStreams: [...items], ...(next !== undefined && { nextToken: next }) };
    },
  };
}

/** By their names. */
function streamsOf({ events, streams }: LogGroup, groupArn: string): LogStream[] {
  const ofStream = Map.groupBy(events, ({ stream }) => stream);
  return [...streams].toSorted().map(([name, createdAtMs]) => {
    const instants = (ofStream.get(name) ?? []).map(({ atMs }) => atMs);
    const [first, last] = [instants[0], instants.at(-1)];
    return {
      logStreamName: name,
      creationTime: createdAtMs,
      ...(first !== undefined && { firstEventTimestamp: first }),
      ...(last !== undefined && { lastEventTimestamp: last, lastIngestionTime: last }),
      arn: `${groupArn}:log-stream:${name}`,
      storedBytes: 0,
    };
  });
}

function aboutEvents(logs: Logs, place: Place): Service['operations'] {
  return {
    FilterLogEvents: (input: FilterLogEventsRequest): FilterLogEventsResponse => {
      const { logStreamNames, logStreamNamePrefix, startTime = 0, endTime = Infinity, nextToken, limit } = input;
      if (logStreamNames && logStreamNamePrefix !== undefined) {
        throw invalid('logStreamNamePrefix and logStreamNames are mutually exclusive parameters.');
      }
      const isFromEnd = input.startFromHead === false;
      if (isFromEnd && startTime < FIRST_FROM_END_MS) {
        throw invalid('startFromHead can be false only with a startTime on or after 2024-01-01.');
      }
      const group = groupIn(logs, place, input);
      for (const name of logStreamNames ?? []) refuseUnknownStream(group, name);
      const matches = logTest(input.filterPattern ?? '');
      const events = group.events
        .filter(({ atMs }) => atMs >= startTime && atMs <= endTime)
        .filter(({ stream }) => logStreamNames?.includes(stream) ?? stream.startsWith(logStreamNamePrefix ?? ''))
        .filter(({ message }) => matches(message));
      const { items, next } = pageOf(isFromEnd ? events.toReversed() : events, {
        size: limit ?? LARGEST_PAGE.events,
        token: nextToken,
      });
      return {
        events: items.map((event) => ({ ...described(event), logStreamName: event.stream, eventId: event.id })),
        searchedLogStreams: [],
        ...(next !== undefined && { nextToken: next }),
      };
    },

    GetLogEvents: (input: GetLogEventsRequest): GetLogEventsResponse => {
      const { logStreamName = '', startTime = 0, endTime = Infinity } = input;
      const group = groupIn(logs, place, input);
      refuseUnknownStream(group, logStreamName);
      const events = group.events
        .filter(({ stream }) => stream === logStreamName)
        .filter(({ atMs }) => atMs >= startTime && atMs < endTime);
      const { from, to } = windowIn(events.length, input);
      return {
        events: events.slice(from, to).map(described),
        nextForwardToken: tokenFor('f', to),
        nextBackwardToken: tokenFor('b', from),
      };
    },
  };
}

function refuseUnknownStream({ streams }: LogGroup, name: string): void {
  if (streams.has(name)) return;
  throw new AwsError('ResourceNotFoundException', 'The specified log stream does not exist.');
}

/** Both tokens continue from a position among the events. At the end of the stream, the answer repeats the token of the request. */
function windowIn(count: number, { nextToken, limit = LARGEST_PAGE.events, startFromHead }: GetLogEventsRequest) {
  if (nextToken === undefined) {
    return startFromHead ? { from: 0, to: Math.min(limit, count) } : { from: Math.max(0, count - limit), to: count };
  }
  const [, direction, text] = /^([fb])\/(\d{56})\/s$/.exec(nextToken) ?? [];
  if (text === undefined) throw invalid('The specified nextToken is invalid.');
  const place = Math.min(Number(text), count);
  return direction === 'f'
    ? { from: place, to: Math.min(place + limit, count) }
    : { from: Math.max(0, place - limit), to: place };
}

function tokenFor(direction: 'f' | 'b', place: number): string {
  return `${direction}/${String(place).padStart(56, '0')}/s`;
}

function described({ atMs, message }: LogEvent) {
  return { timestamp: atMs, ingestionTime: atMs, message };
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}
