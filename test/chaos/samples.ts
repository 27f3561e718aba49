import type { World } from '../../sandbox/chaos/world.ts';

export const SERVICE: World['services'][number] = {
  strategy: 'REPLICA',
  desiredCount: 2,
  percents: [100, 200],
  startSeconds: 20,
  stopTimeoutSeconds: 30,
  stopping: 'on SIGTERM',
  deregistrationDelaySeconds: 60,
};

/** One instance of two is terminated, and nothing goes wrong. */
export const CALM: World = {
  seed: 1,
  waiting: 'park',
  instances: 2,
  searchesEmptyCluster: false,
  settings: {
    deadlineSeconds: 900,
    heartbeatTimeoutSeconds: 600,
    stopStragglers: 'none',
    agentGraceSeconds: 240,
    functionTimeoutSeconds: 300,
    pollMaxSeconds: 60,
  },
  services: [SERVICE],
  jobs: [],
  terminations: [{ on: 0, atSecond: 0, shrinks: false }],
  losses: [],
  registrations: [],
  silences: [],
  outages: [],
  deliveries: { lostTerminations: 0, lostOthers: 0, duplicated: 0, delayed: 0, delaySeconds: 0 },
  listLagSeconds: 0,
  readsOtherwise: false,
  releases: [],
};
