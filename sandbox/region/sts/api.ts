import type { GetCallerIdentityResponse } from '@aws-sdk/client-sts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';

/** STS's API. The Region does not check signatures, so every caller is the same user. */
export function stsService({ account }: Place): Service {
  return {
    name: 'sts',
    operations: {
      GetCallerIdentity: (): GetCallerIdentityResponse => ({
        UserId: 'AIDALOCALREGION000000',
        Account: account,
        Arn: `arn:aws:iam::${account}:user/local`,
      }),
    },
  };
}
