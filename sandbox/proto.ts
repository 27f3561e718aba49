import fc from 'fast-check';
import { play } from './chaos/play.ts';
import { worlds } from './chaos/world.ts';
import { PROPERTIES, mostCalls } from './chaos/properties.ts';
const waiting = (process.argv[2] ?? 'park') as 'park';
const n = Number(process.argv[3] ?? 100);
const list = fc.sample(worlds(waiting), { numRuns: n, seed: Number(process.argv[4] ?? 1) });
await play(list[0]!);
const cpu = () => { const c = process.cpuUsage(); return (c.user + c.system) / 1000; };
let calls = 0, invs = 0; const t = cpu(); const kinds: any = {}; const slow: any[] = []; const ratio: any[] = [];
const found: any = {};
for (const [i, w] of list.entries()) {
  const t0 = performance.now();
  const p = await play(w).catch((e) => { console.log(i, JSON.stringify(w)); throw e; });
  calls += p.calls.length; invs += p.works.length;
  slow.push([Math.round(performance.now() - t0), i, p.calls.length, p.works.length, Math.round(p.seconds)]);
  ratio.push([+(p.calls.length / mostCalls(p)).toFixed(2), i, p.calls.length]);
  for (const h of p.held) { const k = `${h.endedBy} ${[...new Set(h.outcomes)]} v${h.victims.length > 0}`; kinds[k] = (kinds[k] ?? 0) + 1; }
  for (const x of PROPERTIES) for (const b of x.breaches(p)) (found[x.name.slice(0, 30)] ??= []).push(`${i}: ${b}`);
}
const ms = cpu() - t;
console.log((ms / n).toFixed(1), 'ms a world', (calls / n).toFixed(0), 'calls', (invs / n).toFixed(0), 'invocations', (ms / calls).toFixed(2), 'ms a call');
console.log(slow.sort((a, b) => b[0] - a[0]).slice(0, 8).join(' | '));
console.log('ratio', ratio.sort((a, b) => b[0] - a[0]).slice(0, 12).join(' | '));
console.log(kinds);
for (const [k, v] of Object.entries(found) as any) console.log(k, v.length, '\n  ' + v.slice(0, 8).join('\n  '));
