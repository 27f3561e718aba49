import fc from 'fast-check';
import { worlds } from './chaos/world.ts';
const list = fc.sample(worlds('park'), { numRuns: 150, seed: 1 });
for (const i of [8, 131, 14, 69]) { const { services, ...w } = list[i]!; console.log(i, JSON.stringify(w)); }
