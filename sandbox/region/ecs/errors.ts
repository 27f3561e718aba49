import { AwsError } from '../aws-error.ts';

/** What ECS answers to nearly every request that it does not take. */
export function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}
