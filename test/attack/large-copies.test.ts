import { execFileSync } from "node:child_process";
import { closeSync, linkSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { copyOutAsTar } from "../../host/client/streams/copy-out.ts";
import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";

/** 16 MB, which is more than the agent remembers. */
const NAMES = 66_000;
const LINKED = 1200;
/** 60 levels of names of 250 bytes. */
const LEVELS = 60;
const longName = (text: string) => text.padStart(250, "n");

describeInNamespaces("copies out of a container that has more names than the agent has memory for", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let inside: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    const wide = { destination: "/wide", source: "tmpfs", type: "tmpfs", options: ["size=64m"] };
    container = await pod.start(["sleep", "1000"], { Mounts: [...DEFAULT_MOUNTS, wide] });
    inside = join(machine.directory, container);
  });
  afterAll(async () => {
    // Longer paths than Node's rm removes.
    execFileSync("rm", ["-rf", join(inside, "deep")]);
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  async function copy(path: string) {
    const before = await machine.agentPid();
    let bytes = 0;
    const write = async (chunk: Uint8Array) => {
      bytes += chunk.length;
    };
    const result = await copyOutAsTar(`${machine.address}_1028`, { container, path }, write).catch((error) => error);
    expect(await machine.agentPid()).toBe(before);
    return { result, bytes };
  }

  it("are refused in one line if one directory has them, and later copies are served", async () => {
    const fill = `i=0; while [ $i -lt ${NAMES} ]; do : >/wide/${"n".repeat(240)}$i; i=$((i+1)); done; echo $i`;
    expect((await pod.execute(container, ["sh", "-c", fill])).stdout.toString()).toBe(`${NAMES}\n`);
    const { result } = await copy("/wide");
    expect(result).toMatchObject({
      kind: "resource-exhausted",
      message: expect.stringMatching(
        /^copy out of container \S+: "wide": more names in directories than there is memory for; [^\n]+$/,
      ),
    });
    expect((await copy("/etc")).result).toMatchObject({ notes: [] });
    // Otherwise the container's end takes as long.
    await pod.execute(container, ["find", "/wide", "-type", "f", "-delete"]);
  });

  it("repeat files that have several long names, and say so", async () => {
    mkdirSync(join(inside, "deep"));
    const fds = [openSync(join(inside, "deep"), "r")];
    for (let level = 0; level < LEVELS; level++) {
      const below = `/proc/self/fd/${fds.at(-1)}/${longName("")}`;
      mkdirSync(below);
      fds.push(openSync(below, "r"));
    }
    const deepest = `/proc/self/fd/${fds.at(-1)}`;
    for (let at = 0; at < LINKED; at++) {
      writeFileSync(`${deepest}/a${at}`, "x");
      linkSync(`${deepest}/a${at}`, `${deepest}/b${at}`);
    }
    for (const fd of fds) closeSync(fd);
    const { result, bytes } = await copy("/deep");
    expect(result).toMatchObject({
      members: LINKED * 2 + LEVELS + 1,
      notes: [expect.stringMatching(/^hard links, copied as files of their own: left out \(\d+\)$/)],
    });
    expect(bytes).toBeGreaterThan(LINKED * 2 * LEVELS * 250);
  });
});
