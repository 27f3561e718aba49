import { parseArgs } from 'node:util';
import {
  drainerNamed,
  portFrom,
  run,
  SCENARIO_LINES,
  scenarioNamed,
  seedFrom,
  speedFrom,
  UsageError,
} from './command-line.ts';
import { listen } from './region/wire/http.ts';
import { stage } from './rehearsal.ts';
import { DRAINERS } from './result.ts';
import { CLUSTER, GROUP } from './scenarios.ts';
import { plainView } from './view.ts';

/** `npm run region`: a running Region that the AWS CLI or any SDK can look into. */

const USAGE = `npm run region -- [--port N] [--scenario NAME] [--drainer ${DRAINERS.join('|')}] [--seed N] [--speed X]
scenarios:
${SCENARIO_LINES}`;

export async function serve(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '0' },
      scenario: { type: 'string', default: 'rolling-update' },
      drainer: { type: 'string', default: 'ecs-drain' },
      seed: { type: 'string', default: '1' },
      speed: { type: 'string', default: '1' },
    },
  });
  const port = portFrom(values.port);
  const speed = speedFrom(values.speed);
  const rehearsal = {
    scenario: scenarioNamed(values.scenario),
    drainer: drainerNamed(values.drainer),
    seed: seedFrom(values.seed),
  };
  const write = (text: string) => process.stdout.write(text);
  const view = plainView(write);
  const { region, begin, close } = await stage(rehearsal, view.show);
  const { url, close: closeServer } = await listen(region.answer, port, () => region.time.nowMs()).catch(
    (error: NodeJS.ErrnoException) => {
      close();
      if (error.code !== 'EADDRINUSE') throw error;
      throw new UsageError(`Port ${port} is in use: name another with --port, or leave it out for a free one.`);
    },
  );

  write(`The Region listens on ${url}, ${speed} virtual seconds a second. Look into it, in another terminal, with:

  export AWS_ENDPOINT_URL=${url} AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws ecs list-container-instances --cluster ${CLUSTER}
  aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names ${GROUP}
  npx ecs-drain status

Ctrl-C ends it.

`);
  let stopped = false;
  const stop = () => {
    stopped = true;
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  begin();
  // The Region goes on when the scenario is over, until somebody ends it.
  const goOn = () => region.time.after(60, goOn);
  goOn();
  await region.time.runUntil(() => stopped, speed);
  closeServer();
  close();
}

if (import.meta.main) await run(serve, USAGE);
