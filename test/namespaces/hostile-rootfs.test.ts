import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { snapshot } from "../scenarios/snapshot.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("a hostile rootfs", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let outside: string;
  let count = 0;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    outside = join(machine.directory, "outside");
    for (const name of ["dev", "proc", "etc", "sys", "work"]) mkdirSync(join(outside, name), { recursive: true });
    writeFileSync(join(outside, "etc/passwd"), "root:x:0:0::/leaked:/bin/sh\n");
    writeFileSync(join(outside, "file"), "of the guest\n");
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const link = (target: string) => (path: string) => symlinkSync(target, path);
  const out = (name: string, style: "absolute" | "relative") => (path: string) =>
    symlinkSync(
      style === "absolute" ? join(outside, name) : `${"../".repeat(20)}${join(outside, name).slice(1)}`,
      path,
    );

  /**
   * Runs a container in a rootfs in which each path of `traps` is replaced. Returns its output, or why it could not be
   * created. Expects no change outside.
   */
  async function run(
    traps: Record<string, (path: string) => void>,
    args: string[],
    mounts: string[] = [],
  ): Promise<string> {
    const rootfs = machine.rootfs(`hostile-${++count}`);
    for (const [path, set] of Object.entries(traps)) {
      rmSync(join(rootfs, path), { recursive: true, force: true });
      set(join(rootfs, path));
    }
    const { Mounts = [], Linux } = ociSpec(rootfs, args);
    const binds = mounts.map((destination) => ({
      destination,
      source: "/etc/hostname",
      type: "bind",
      options: ["rbind", "ro"],
    }));
    const parts = {
      Mounts: [...(Mounts ?? []), ...binds],
      Linux: {
        ...Linux,
        MaskedPaths: ["/masked", "/proc/kcore", "/looped"],
        ReadonlyPaths: ["/read-only", "/proc/sys"],
      },
    };
    const outsideMounts = () => machine.shell("cat /proc/mounts");
    const before = [snapshot(outside), await outsideMounts()];
    try {
      const id = await pod.create(args, parts, rootfs);
      await pod.client.agent.startContainer({ container_id: id });
      const { stdout, stderr } = await pod.finish(id, id);
      const exec = await pod.create(["sleep", "9"], parts, rootfs).catch(() => undefined);
      if (exec !== undefined) await pod.remove(exec);
      await pod.remove(id);
      return `${stdout}${stderr}`;
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
      return `refused: ${(error as Error).message}`;
    } finally {
      expect([snapshot(outside), await outsideMounts()]).toEqual(before);
    }
  }

  it.each(["absolute", "relative"] as const)(
    "leads no mount outside by %s links in place of mount points",
    async (style) => {
      const traps = { dev: out("dev", style), proc: out("proc", style), sys: out("sys", style) };
      const text = await run(traps, ["sh", "-c", "ls -d /proc/self /dev/null /sys/kernel"]);
      expect(text).toBe("/dev/null\n/proc/self\n/sys/kernel\n");
    },
  );

  it.each(["absolute", "relative"] as const)("leads no new file outside by dangling %s links", async (style) => {
    const traps = { "etc/new": out("new-file", style), "etc/deep": out("new/deep", style), masked: out("none", style) };
    const text = await run(traps, ["sh", "-c", "cat /etc/new /etc/deep/x | wc -l"], ["/etc/new", "/etc/deep/x"]);
    expect(text).toBe("2\n");
  });

  it("leads no mask outside by masked and read-only paths that are links", async () => {
    const traps = { masked: out("file", "absolute"), looped: link("looped"), "read-only": out("work", "relative") };
    expect(await run(traps, ["echo", "runs"])).toMatch(/^(runs\n|refused: mask \/looped: ELOOP.*)$/);
    expect(await run({ masked: out("file", "absolute") }, ["echo", "runs"])).toBe("runs\n");
  });

  it("can't block the agent by a fifo as /etc/passwd, or make it read a passwd file outside", async () => {
    const fifo = (path: string) => void execFileSync("mkfifo", [path]);
    expect(await run({ "etc/passwd": fifo }, ["sh", "-c", "echo $HOME"])).toBe("/\n");
    expect(await run({ "etc/passwd": out("etc/passwd", "absolute") }, ["sh", "-c", "echo $HOME"])).toBe("/\n");
    expect(await run({ etc: out("etc", "relative") }, ["sh", "-c", "echo $HOME"])).toBe("/\n");
  });

  it("leads no mount outside by a chain of links with .. in the middle of a mount point", async () => {
    const traps = { a: link("b/../../../.."), b: link("tmp"), "tmp/x": link("/a/etc") };
    await run(traps, ["true"], ["/tmp/x/made", "/a/tmp/made"]);
    expect(await run({ tmp: link("/proc/1/root") }, ["true"], ["/tmp/made"])).toMatch(/^(|refused: .*)$/);
  });

  it("can't choose the terminal of an exec", async () => {
    const rootfs = machine.rootfs(`hostile-${++count}`);
    const id = await pod.create(["sleep", "1000"], {}, rootfs);
    await pod.client.agent.startContainer({ container_id: id });
    const before = snapshot(outside);
    await pod.execute(id, ["sh", "-c", `umount /dev/pts; rmdir /dev/pts; ln -s ${outside} /dev/pts`]);
    const { stdout } = await pod.execute(id, ["echo", "shown"], { Terminal: true });
    expect(stdout.toString()).toBe("shown\r\n");
    expect(snapshot(outside)).toEqual(before);
    await pod.remove(id);
  });
});
