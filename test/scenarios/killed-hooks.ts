import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { StreamLoad } from "./killed-streams.ts";
import { ociSpec } from "./oci.ts";

const OF_CREATE = ["Prestart", "CreateRuntime", "CreateContainer"];
const OF_START = ["StartContainer", "Poststart"];
const KINDS = [...OF_CREATE, ...OF_START, "Poststop"];
const OF_EACH_KIND = [1, 2];

/**
 * Containers with two hooks of each kind: each hook runs once, to its end, and at most once more for each death of the agent during the call
 * that runs it. Reports how many there were, and how many runs more.
 */
export async function runHooks(
  load: StreamLoad,
  kills: () => number,
  counted: (hooks: number, repeated: number) => void,
): Promise<void> {
  const { line, machine } = load;
  const rootfs = machine.rootfs("hooked");
  const out = join(machine.hostPath(rootfs), "out");
  mkdirSync(out, { mode: 0o777 });
  for (let round = 0; !load.stopped(); round++) {
    const container_id = `load-hooked-${round}`;
    const OCI = ociSpec(rootfs, ["sh", "-c", "exit 6"], { Hooks: noteRuns(rootfs, container_id) });
    const during = async (call: () => Promise<object | undefined>) => {
      const before = kills();
      return { answered: (await call()) !== undefined, deaths: kills() - before };
    };
    const created = await during(() => line.ask(({ agent }) => agent.createContainer({ container_id, OCI })));
    const started = await during(() => line.ask(({ agent }) => agent.startContainer({ container_id })));
    const waited = await line.ask(({ agent }) => agent.waitProcess({ container_id, exec_id: "" }));
    const removed = await during(() => line.ask(({ agent }) => agent.removeContainer({ container_id })));
    if (!created.answered || !started.answered || waited === undefined || !removed.answered) continue;
    expect(waited.status, container_id).toBe(6);
    const runs = readFileSync(join(out, container_id), "utf8").split("\n").filter(Boolean);
    const deathsFor = (kind: string) => {
      if (kind === "Poststop") return created.deaths + removed.deaths;
      return OF_CREATE.includes(kind) ? created.deaths : started.deaths;
    };
    for (const name of KINDS.flatMap((kind) => OF_EACH_KIND.map((index) => `${kind}${index}`))) {
      const [begins, ends] = ["<", ">"].map((mark) => runs.filter((run) => run === mark + name).length);
      const what = `${container_id}: ${name}, of ${runs.join(" ")}`;
      expect(ends, what).toBeGreaterThanOrEqual(1);
      expect(begins, what).toBeLessThanOrEqual(1 + deathsFor(name.slice(0, -1)));
      counted(1, (begins ?? 0) - 1);
    }
    load.done();
  }
}

/** Hooks that note their beginning and end in a file of the rootfs, which guest, container and this process see. */
function noteRuns(rootfs: string, container_id: string): Init<grpc.Hooks> {
  const hook = (kind: string, index: number) => {
    const root = kind === "StartContainer" ? "" : rootfs;
    const note = (mark: string) => `echo "${mark}${kind}${index}" >> ${root}/out/${container_id}`;
    const script = `${note("<")}; ${root}/bin/busybox sleep 0.02; ${note(">")}`;
    return { Path: `${root}/bin/busybox`, Args: ["sh", "-c", script], Timeout: 60 };
  };
  return Object.fromEntries(KINDS.map((kind) => [kind, OF_EACH_KIND.map((index) => hook(kind, index))]));
}
