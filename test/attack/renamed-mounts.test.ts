import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { compileC } from "../testing/compile-c.ts";

const CONTAINERS = 100;
/** Directories that are swapped with empty ones, together with what is mounted on them. */
const SWAPPED = ["proc", "sys", "dev"];

/** Another process renames the directories under a container's mounts while its masks are created in them. */
describeInNamespaces("a rootfs whose mount points are renamed", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let rootfs: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("renamed");
    for (const name of SWAPPED) for (const end of ["", ".x"]) mkdirSync(join(rootfs, name + end), { recursive: true });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  function startSwapper(): ChildProcess {
    const program = join(rootfs, "bin/swapper");
    compileC([join(import.meta.dirname, "../scenarios/swapper.c")], program);
    const pairs = SWAPPED.flatMap((name) => [join(rootfs, name), join(rootfs, `${name}.x`)]);
    return spawn(program, [join(machine.directory, "rounds"), ...pairs], { stdio: "inherit" });
  }

  /**
   * Creates a container and returns each of its mounts: which part of the file system, its name, whether it is
   * writable.
   */
  async function mountsOfOne(): Promise<string[]> {
    const { Mounts = [], Linux } = ociSpec(rootfs, []);
    const tmpfs = { source: "t", destination: "/dev/small", type: "tmpfs", options: ["ro"] };
    const id = await pod.create(["true"], { Mounts: [...(Mounts ?? []), tmpfs], Linux }, rootfs);
    const table = await machine.shell(`cat /proc/$(cat /sys/fs/cgroup/containers/${id}/cgroup.procs)/mountinfo`);
    await pod.remove(id);
    const lines = table.trim().split("\n");
    const mounts = lines.map((line) => {
      const [, , , root = "", target = "", options = ""] = line.split(" ");
      const name = target.split("/").at(-1)?.replace(/\.x$/, "");
      return `${target === "/" ? "root" : root} on ${name}, ${options.slice(0, 2)}`;
    });
    return mounts.sort();
  }

  it("leaves no container without a mask or a read-only path", async () => {
    const expected = await mountsOfOne();
    expect(expected).toEqual(expect.arrayContaining([expect.stringMatching(/null on keys,/), "/sys on sys, ro"]));
    const swapper = startSwapper();
    const exit = once(swapper, "exit");
    const failures: string[] = [];
    const wrong: string[][] = [];
    try {
      for (let count = 0; count < CONTAINERS; count++) {
        const found = await mountsOfOne().catch((error: Error) => void failures.push(error.message));
        if (found !== undefined && found.join() !== expected.join()) wrong.push(found);
      }
      expect(swapper.exitCode).toBe(null);
    } finally {
      swapper.kill("SIGKILL");
      await exit;
    }
    for (const line of failures) expect(line).toMatch(/^[^\n]+: E\w+ [^\n]+$/);
    expect(wrong).toEqual([]);
    // It may fail, but not mostly.
    expect(failures.length, failures.join("\n")).toBeLessThan(CONTAINERS / 2);
  });
});
