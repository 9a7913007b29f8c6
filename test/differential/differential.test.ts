import { copyFileSync, existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { startHostAgent } from "../agent/host-agent.ts";
import { whyNoNamespaces } from "../init/harness.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { KNOWN_DIFFERENCES } from "./known-differences.ts";
import { buildProbe, differences, type Observation, parseObservation } from "./observation.ts";

const reason = existsSync("/usr/bin/crun") ? whyNoNamespaces() : "crun is not installed";

const { Process, Linux, Mounts } = ociSpec("/", ["/probe"]);
const SPECS: Readonly<Record<string, Init<grpc.Spec>>> = {
  ordinary: {},
  "of another user": {
    Process: {
      ...Process,
      User: { UID: 1000, GID: 100, AdditionalGids: [7, 42] },
      Cwd: "/made/here",
      OOMScoreAdj: 300,
    },
  },
  "with a terminal": { Process: { ...Process, Terminal: true } },
  "with all namespaces of its own, limits and a read-only root": {
    Process: {
      ...Process,
      NoNewPrivileges: false,
      Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 123, Hard: 456 }, { Type: "RLIMIT_CORE" }],
    },
    Root: { Readonly: true },
    Linux: { ...Linux, Namespaces: ["mount", "ipc", "uts", "pid", "network", "cgroup"].map((Type) => ({ Type })) },
    Mounts: [
      ...(Mounts ?? []),
      { destination: "/data", source: "tmpfs", type: "tmpfs", options: ["ro", "nosuid", "noexec", "size=64k"] },
      { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
    ],
  },
};

describe(`what a container of guestd sees, and one of crun${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  let machine: Machine;
  let pod: Pod;
  const guest = new Map<string, string>();
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine, await machine.connect());
    for (const link of (await machine.shell("cd /proc/1/ns; for n in *; do echo $n $(readlink $n); done")).split(
      "\n",
    )) {
      const [name = "", target = ""] = link.split(" ");
      guest.set(name, target);
    }
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  async function observe(parts: Init<grpc.Spec>, runtime: string): Promise<Observation> {
    const rootfs = machine.rootfs(`diff-${runtime}-${Math.random().toString(36).slice(2)}`);
    copyFileSync(buildProbe(), `${machine.hostPath(rootfs)}/probe`);
    const { agent } = pod.client;
    const Annotations = runtime === "" ? {} : { "guestd.runtime": runtime };
    const Root = { Path: rootfs, Readonly: parts.Root?.Readonly ?? false };
    const id = await pod.create([], { ...parts, Annotations, Root, Process: parts.Process ?? Process });
    await agent.startContainer({ container_id: id });
    // Of a terminal there is one stream.
    const stdout = await pod.drain("readStdout", id, id);
    expect((await agent.waitProcess({ container_id: id, exec_id: id })).status).toBe(0);
    await pod.remove(id);
    // Ids of containers and rootfs are in paths.
    return parseObservation(stdout.toString().replaceAll(id, "ID").replaceAll(rootfs, "ROOTFS"), guest);
  }

  it.each(Object.keys(SPECS))("%s", async (name) => {
    const parts = SPECS[name] ?? {};
    const found = differences(await observe(parts, ""), await observe(parts, "crun"));
    const unknown = found.filter((line) => !KNOWN_DIFFERENCES.some(({ difference }) => difference.test(line)));
    expect(unknown).toEqual([]);
  });
});
