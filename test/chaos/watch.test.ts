import { CALM, SERVICE } from './samples.ts';
import { describeCrashes, describeDeliveries, describeWorlds } from './worlds.ts';

describeWorlds('watch', { all: 60, few: 60 });
describeDeliveries('watch', { all: 12, few: 12 });

const watching = { ...CALM, waiting: 'watch' } as const;
describeCrashes('a drain that polls', watching);
describeCrashes('a drain that is handed over, and ends at its deadline', {
  ...watching,
  settings: { ...CALM.settings, functionTimeoutSeconds: 60, deadlineSeconds: 60 },
  services: [{ ...SERVICE, desiredCount: 1, stopping: 'never' }],
});
