import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildFaultySys } from "../../../agent/native/build.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { Pod } from "../../scenarios/pod.ts";
import { FaultControl } from "./fault-control.ts";

const repository = join(import.meta.dirname, "../../..");

let sys: string | undefined;

export type FaultyMachine = Awaited<ReturnType<typeof startFaultyMachine>>;

/**
 * Starts an agent whose system calls fail on a test's request, with a container and a connection that must never be
 * affected.
 */
export async function startFaultyMachine(agentCommand = [process.execPath, join(repository, "agent/main.ts")]) {
  const file = join(makeWorkDirectory("faults"), "control");
  const control = new FaultControl(file);
  sys ??= buildFaultySys();
  const environment = [`GUESTD_SYS_NODE=${sys}`, `GUESTD_FAULTS=${file}`];
  const machine = await startHostAgent({
    agentCommand: ["/usr/bin/env", ...environment, ...agentCommand],
    config: "passfd_listener_port = 1027",
  });
  const pod = await Pod.open(machine);
  const rootfs = machine.rootfs("standing");
  const standing = await pod.create(["sleep", "100000"], {}, rootfs);
  await pod.client.agent.startContainer({ container_id: standing });
  return {
    machine,
    control,
    /** The bystanders' pod, whose connection no fault hits. */
    pod,
    standing,
    /** Root of the standing container. */
    rootfs,
    /** Returns the state that a call must restore if it leaves nothing behind. */
    async traces() {
      const [agent, init] = [await machine.agentPid(), await machine.initPid()];
      return {
        agent,
        descriptors: readdirSync(`/proc/${agent}/fd`).length,
        ofInit: readdirSync(`/proc/${init}/fd`).length,
        processes: readFileSync(`/proc/${init}/task/${init}/children`, "utf8").trim().split(" ").length,
        mounts: readFileSync(`/proc/${init}/mounts`, "utf8").trim().split("\n").length,
        records: readdirSync(`/proc/${init}/root/run/guestd/containers`).join(),
        cgroups: cgroupsBelow(`/proc/${init}/root/sys/fs/cgroup`),
      };
    },
    async [Symbol.asyncDispose]() {
      await pod.client.close();
      await machine[Symbol.asyncDispose]();
      control.close();
    },
  };
}

function cgroupsBelow(path: string): number {
  const directories = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return directories.reduce((sum, { name }) => sum + 1 + cgroupsBelow(join(path, name)), 0);
}
