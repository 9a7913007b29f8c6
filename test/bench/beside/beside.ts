import { join } from "node:path";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import { otherAgent, ownAgent } from "./agents.ts";
import { besideTable, type Measured } from "./beside-table.ts";
import { NodeAlone } from "./node-alone.ts";
import { PodLife } from "./pod-life.ts";
import { ownV1Cgroups } from "./v1-cgroups.ts";
import { WarmRounds } from "./warm-rounds.ts";

/**
 * Returns the table of this checkout's agent and the one at `path` (`otherAgent`), measured in turns in equal namespaces.
 * `directory` is for their files, and not below a path that init covers.
 */
export async function runBeside(
  root: string,
  directory: string,
  { path, rounds }: { readonly path: string; readonly rounds: number },
  signal: AbortSignal,
  progress: (doing: string) => void,
): Promise<string> {
  const other = otherAgent(path, join(directory, "other"));
  const own = await ownAgent(root, join(directory, "own"));
  const agents = [own, other];
  const measured = agents.map(({ name }): Measured => ({ name, life: new PodLife(), warm: new WarmRounds() }));
  const rootfs = makeBusyboxRootfs(join(directory, "rootfs"));
  using _cgroups = ownV1Cgroups();
  const node = new NodeAlone();
  let started = 0;
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    await node.round(own.command);
  }
  for (const kind of ["life", "warm"] as const) {
    for (let round = 0; round < rounds; round++) {
      for (const [index, agent] of agents.entries()) {
        signal.throwIfAborted();
        progress(`${agent.name}: round ${round + 1} of ${rounds}`);
        await measured[index]?.[kind].round(agent, join(directory, `agent-${++started}.sock`), rootfs);
      }
    }
  }
  const [first, second] = measured as [Measured, Measured];
  return besideTable(first, second, node.started.median);
}
