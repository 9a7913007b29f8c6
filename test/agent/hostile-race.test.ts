import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";
import { snapshot } from "./snapshot.ts";

const reason = whyNoNamespaces();
const skip = reason !== undefined;
const CONTAINERS = 240;
/** More than so many have to be made, so that there was something to see: more are tried where few are. */
const MADE = CONTAINERS / 10;
/** Directories of the rootfs in which the plan mounts, makes, covers and links something. */
const SWAPPED = ["dev", "proc", "sys", "etc", "work", "work/deep", "masked", "read-only", "home"];

describe(`a rootfs that changes while containers are made of it${skip ? ` (skipped: ${reason})` : ""}`, {
  skip,
}, () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let outside: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine, await machine.connect());
    outside = join(machine.directory, "outside");
    for (const name of SWAPPED) mkdirSync(join(outside, name), { recursive: true });
    for (const name of SWAPPED) writeFileSync(join(outside, name, "file"), "of the guest\n");
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /** Each directory of the rootfs changes places with a link out of it, as fast as one process can. */
  function startSwapper(rootfs: string, style: "absolute" | "relative"): ChildProcess {
    const program = join(machine.directory, "swapper");
    const flags = ["-O2", "-static", "-Wall", "-Wextra", "-Werror"];
    execFileSync("gcc", [...flags, join(import.meta.dirname, "swapper.c"), "-o", program]);
    const pairs = SWAPPED.flatMap((name) => {
      const path = join(rootfs, name);
      const target = join(outside, name);
      mkdirSync(path, { recursive: true });
      symlinkSync(style === "absolute" ? target : `${"../".repeat(20)}${target.slice(1)}`, `${path}.out`);
      return [path, `${path}.out`];
    });
    return spawn(program, pairs, { stdio: "inherit" });
  }

  const parts = (rootfs: string) => {
    const { Mounts, Linux, Process } = ociSpec(rootfs, []);
    const bind = (source: string, destination: string) => ({
      source,
      destination,
      type: "bind",
      options: ["rbind", "ro"],
    });
    return {
      Process: { ...Process, Args: ["sh", "-c", "cat /etc/hosts /work/deep/new/file; exit 0"], Cwd: "/home/made/here" },
      Mounts: [
        ...(Mounts ?? []),
        bind("/etc/hostname", "/etc/hosts"),
        bind("/etc/hostname", "/work/deep/new/file"),
        bind("/proc/sys", "/work/tree"),
        { source: "t", destination: "/work/deep/tmp", type: "tmpfs", options: ["ro"] },
      ],
      Linux: {
        ...Linux,
        MaskedPaths: ["/masked/file", "/masked", "/proc/kcore"],
        ReadonlyPaths: ["/read-only/file", "/read-only", "/proc/sys"],
        Devices: [{ Path: "/work/node", Type: "c", Major: 1, Minor: 3, FileMode: 0o666 }],
      },
    };
  };

  it.each(["absolute", "relative"] as const)(
    `leads none of ${CONTAINERS} creations and more out of it by %s links`,
    async (style) => {
      const rootfs = machine.rootfs(`race-${style}`);
      const mounts = () => [machine.shell("cat /proc/mounts"), readFileSync("/proc/mounts", "utf8")];
      const before = [snapshot(outside), ...(await Promise.all(mounts()))];
      const swapper = startSwapper(rootfs, style);
      const results = new Map<string, number>();
      const made = () => results.get("made") ?? 0;
      const note = (result: string) => results.set(result, (results.get(result) ?? 0) + 1);
      try {
        for (let count = 0; count < CONTAINERS || (made() <= MADE && count < 20 * CONTAINERS); count++) {
          const id = await pod.create([], parts(rootfs), rootfs).catch((error: Error) => {
            expect(error.message).toMatch(/^[^\n]+$/);
            note(error.message.replace(/^(\S+).*: (E\w+) .*$/, "$1 $2"));
            return undefined;
          });
          if (id === undefined) continue;
          note("made");
          await pod.client.agent.startContainer({ container_id: id });
          const { stdout } = await pod.finish(id, id);
          expect(stdout.toString()).not.toContain("of the guest");
          await pod.remove(id);
        }
      } finally {
        expect(swapper.exitCode).toBeNull();
        swapper.kill("SIGKILL");
        await once(swapper, "exit");
      }
      expect(made()).toBeGreaterThan(MADE);
      expect([snapshot(outside), ...(await Promise.all(mounts()))]).toEqual(before);
      rmSync(rootfs, { recursive: true });
    },
  );

  it("is not left by a link on a mount inside of it, nor by magic links", async () => {
    const rootfs = machine.rootfs("mounted");
    await machine.shell(`mkdir ${rootfs}/mnt && mount -t tmpfs t ${rootfs}/mnt && ln -s ${outside} ${rootfs}/mnt/out`);
    symlinkSync("/proc/self/root", join(rootfs, "magic"));
    symlinkSync("/proc/self/fd/1/../../..", join(rootfs, "descriptor"));
    const before = snapshot(outside);
    const { Mounts = [] } = ociSpec(rootfs, []);
    const made: string[] = [];
    for (const destination of ["/mnt/out/work/new", "/magic/etc/new", "/descriptor/new", `/magic${outside}/new`]) {
      const bind = { source: "/etc/hostname", destination, type: "bind", options: ["bind"] };
      const run = pod.create(["true"], { Mounts: [...(Mounts ?? []), bind] }, rootfs);
      const id = await run.catch((error: Error) => {
        expect(error.message).toMatch(/^mount on \S+: E\w+ \([^\n]*\), from mounts\[6\]$/);
        return undefined;
      });
      if (id !== undefined) made.push(destination);
      if (id !== undefined) await pod.remove(id);
    }
    expect(made).toEqual(["/mnt/out/work/new"]);
    expect(snapshot(outside)).toEqual(before);
  });
});
