// `node app.ts` needs Node 22.18 or later: docs/cdk.md.
import { App, Stack } from 'aws-cdk-lib';
import { EcsDrain } from 'ecs-drain/cdk';

const stack = new Stack(new App(), 'ecs-drain');

new EcsDrain(stack, 'Drain', {
  clusters: ['prod'],
  autoScalingGroups: ['web'],
});
