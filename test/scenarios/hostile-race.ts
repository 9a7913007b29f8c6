import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compileC } from "../testing/compile-c.ts";
import { makeBusyboxRootfs } from "./busybox-rootfs.ts";
import type { Machine } from "./machine.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { snapshot } from "./snapshot.ts";

/** Directories of the rootfs in which the plan mounts, creates, masks or links something. */
const SWAPPED = ["dev", "proc", "sys", "etc", "work", "work/deep", "masked", "read-only", "home"];
const TEXT = "of the guest\n";

export type LinkStyle = "absolute" | "relative";

interface Place {
  readonly guest: string;
  readonly host: string;
}

/**
 * Registers the scenario of a rootfs that changes while containers are created in it: none of `containers` creations
 * may leave it.
 */
export function hostileRace(
  pod: () => Pod,
  { containers, styles }: { containers: number; styles: readonly LinkStyle[] },
) {
  /**
   * Number of creations that must succeed, and of those that must be raced by swaps. At least one must also meet a swap:
   * it fails, or it creates the link's target below the rootfs. Until then more are tried.
   */
  const least = containers / 10;

  it.each(styles)(
    `a swapping rootfs leads none of at least ${containers} creations out of it by %s links`,
    async (style) => {
      const { machine } = pod();
      const outside = makeOutside(machine);
      const rootfs = place(machine, `race-${style}`);
      const mounts = () => machine.shell("cat /proc/mounts");
      const before = [snapshot(outside.host), await mounts()];
      const swapper = await startSwapper(machine, rootfs, outside, style);
      const results = new Map<string, number>();
      const made = () => results.get("made") ?? 0;
      const met = () => results.size > 1 || existsSync(join(rootfs.host, outside.guest));
      const note = (result: string) => results.set(result, (results.get(result) ?? 0) + 1);
      let [raced, last] = [0, ""];
      try {
        const seen = () => made() > least && raced > least && met();
        for (let count = 0; count < containers || (!seen() && count < 20 * containers); count++) {
          const rounds = swapper.rounds();
          const id = await pod()
            .create([], parts(rootfs.guest, outside.guest), rootfs.guest)
            .catch((error: Error) => {
              expect(error.message).toMatch(/^[^\n]+$/);
              note(error.message.replace(/^(\S+).*: (E\w+) .*$/, "$1 $2"));
              return undefined;
            });
          if (swapper.rounds() > rounds) raced++;
          if (id === undefined) continue;
          note("made");
          await pod().client.agent.startContainer({ container_id: id });
          const { stdout } = await pod().finish(id, id);
          expect(stdout.toString()).not.toContain(TEXT);
          await pod().remove(id);
        }
      } finally {
        last = await swapper.stop();
      }
      expect(made(), JSON.stringify([...results])).toBeGreaterThan(least);
      const what = `${JSON.stringify([...results])}; the swapper: ${last}`;
      expect(raced, `creations during which everything was swapped: ${what}`).toBeGreaterThan(least);
      expect(met(), `a creation met a swap: ${what}`).toBe(true);
      expect([snapshot(outside.host), await mounts()]).toEqual(before);
      rmSync(rootfs.host, { recursive: true });
    },
    600_000,
  );

  it("no creation leaves the rootfs by a link on a mount inside it, or by magic links", async () => {
    const { machine } = pod();
    const outside = makeOutside(machine);
    const rootfs = place(machine, "mounted");
    await machine.shell(
      `mkdir ${rootfs.guest}/mnt && mount -t tmpfs t ${rootfs.guest}/mnt && ln -s ${outside.guest} ${rootfs.guest}/mnt/out`,
    );
    symlinkSync("/proc/self/root", join(rootfs.host, "magic"));
    symlinkSync("/proc/self/fd/1/../../..", join(rootfs.host, "descriptor"));
    const before = snapshot(outside.host);
    const { Mounts = [] } = ociSpec(rootfs.guest, []);
    const made: string[] = [];
    for (const destination of [
      "/mnt/out/work/new",
      "/magic/etc/new",
      "/descriptor/new",
      `/magic${outside.guest}/new`,
    ]) {
      const bind = { source: `${outside.guest}/file`, destination, type: "bind", options: ["bind"] };
      const run = pod().create(["true"], { Mounts: [...(Mounts ?? []), bind] }, rootfs.guest);
      const id = await run.catch((error: Error) => {
        expect(error.message).toMatch(/^mount on \S+: E\w+ \([^\n]*\), from mounts\[6\]$/);
        return undefined;
      });
      if (id !== undefined) made.push(destination);
      if (id !== undefined) await pod().remove(id);
    }
    expect(made).toEqual(["/mnt/out/work/new"]);
    expect(snapshot(outside.host)).toEqual(before);
    await machine.shell(`umount ${rootfs.guest}/mnt`);
  });
}

/** Creates a busybox root file system. Returns its path on both sides. */
function place(machine: Machine, name: string): Place {
  const guest = machine.rootfs(`${name}-${Date.now().toString(36)}`);
  return { guest, host: machine.hostPath(guest) };
}

/**
 * Creates the place that must not change: a directory beside the containers' root file systems, with a file in each
 * directory.
 */
function makeOutside(machine: Machine): Place {
  const outside = place(machine, "outside");
  rmSync(outside.host, { recursive: true });
  makeBusyboxRootfs(outside.host);
  for (const name of ["", ...SWAPPED]) {
    mkdirSync(join(outside.host, name), { recursive: true });
    writeFileSync(join(outside.host, name, "file"), TEXT);
  }
  return outside;
}

/** Swaps each directory of the rootfs with a link out of it, as fast as one process of the machine can. */
async function startSwapper(machine: Machine, rootfs: Place, outside: Place, style: LinkStyle) {
  const tools = place(machine, "tools");
  const name = `swapper-${style}`;
  compileC([join(import.meta.dirname, "swapper.c")], join(tools.host, name));
  const pairs = SWAPPED.flatMap((each) => {
    const target = `${outside.guest}/${each}`;
    mkdirSync(join(rootfs.host, each), { recursive: true });
    const link = style === "absolute" ? target : `${"../".repeat(20)}${target.slice(1)}`;
    symlinkSync(link, join(rootfs.host, `${each}.out`));
    return [`${rootfs.guest}/${each}`, `${rootfs.guest}/${each}.out`];
  });
  const [log, rounds] = [`${tools.guest}/log`, join(tools.host, "rounds")];
  writeFileSync(rounds, Buffer.alloc(8));
  // Written to a file, because such a line is too long for the console's shell.
  const line = `setsid ${tools.guest}/${name} ${tools.guest}/rounds ${pairs.join(" ")} < /dev/null > ${log} 2>&1 &\n`;
  writeFileSync(join(tools.host, "start"), line);
  await machine.shell(`sh ${tools.guest}/start`);
  const running = () => machine.shell(`pidof ${name} | wc -w; cat ${log}`);
  await expect.poll(running).toBe("1\n");
  return {
    /** Number of times that it has swapped all of them. */
    rounds: () => readFileSync(rounds).readBigUInt64LE(),
    /** Returns what it was doing. */
    async stop() {
      expect(await running(), "the swapper ran to the end").toBe("1\n");
      const doing = await machine.shell(`cd /proc/$(pidof ${name}) && cat stat wchan`);
      await machine.shell(`kill -9 $(pidof ${name})`);
      await expect.poll(running).toBe("0\n");
      return `${doing}, after ${readFileSync(rounds).readBigUInt64LE()} rounds`;
    },
  };
}

function parts(rootfs: string, outside: string) {
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
      bind(`${outside}/etc/passwd`, "/etc/hosts"),
      bind(`${outside}/etc/passwd`, "/work/deep/new/file"),
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
}
