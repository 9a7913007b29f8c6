import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../../host/vm/programs.ts";
import { isRoot } from "../../lib/is-root.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { makeBusyboxRootfs } from "../scenarios/busybox-rootfs.ts";
import { buildRelease } from "./testing/build-release.ts";
import { ContainerRoot } from "./testing/container-root.ts";
import { createDebianRoot } from "./testing/debian-root.ts";

interface Instruction {
  readonly name: string;
  readonly value: string;
}

const IMAGE = `/usr/lib/guestd/node_modules/guestd-guest-linux-${process.arch}/busybox.tar`;
const missing = ["debootstrap", "runc"].find((name) => findProgram(name) === undefined);
const why = !isRoot() ? "needs root" : missing === undefined ? "" : `${missing} isn't installed`;

/** Returns the instructions of a Dockerfile, without comments and with continued lines joined. */
function instructionsOf(text: string): readonly Instruction[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n");
  return lines
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", value = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return { name, value };
    });
}

describe.skipIf(why !== "")(`docs/Dockerfile.guestd, without Docker${why && ` (skipped: ${why})`}`, () => {
  const instructions = instructionsOf(readFileSync(join(packageRoot(), "docs/Dockerfile.guestd"), "utf8"));
  const valuesOf = (wanted: string) => instructions.filter(({ name }) => name === wanted).map(({ value }) => value);
  const wordsOf = (name: string): string[] => JSON.parse(valuesOf(name)[0] ?? "[]");
  const env = valuesOf("ENV");
  let directory = "";
  let container: ContainerRoot;

  beforeAll(() => {
    directory = mkdtempSync("/tmp/guestd-dockerfile-");
    chmodSync(directory, 0o755);
    container = new ContainerRoot(directory);
    buildRelease(join(directory, "release"));
  });
  afterAll(() => {
    if (directory !== "") rmSync(directory, { recursive: true, force: true });
  });

  it("builds: each instruction succeeds with the capabilities that docker gives", async () => {
    const names = ["FROM", "COPY", "RUN", "ENV", "RUN", "ENV", "ENTRYPOINT", "CMD"];
    expect(instructions.map(({ name }) => name)).toEqual(names);
    const before: string[] = [];
    for (const { name, value } of instructions) {
      if (name === "FROM") {
        expect(value).toBe("debian:12-slim");
        mkdirSync(join(directory, "root"));
        await createDebianRoot(join(directory, "root"));
      } else if (name === "COPY") {
        const [pattern = "", to = ""] = value.split(" ");
        const files = globSync(pattern, { cwd: join(directory, "release") });
        expect(files).toHaveLength(1);
        for (const file of files) cpSync(join(directory, "release", file), join(directory, "root", to, basename(file)));
      } else if (name === "RUN") await container.run(["/bin/sh", "-c", value], { env: before });
      else if (name === "ENV") before.push(value);
    }
    expect(await container.run([...wordsOf("ENTRYPOINT"), "guestctl", "doctor"], { env })).not.toMatch(/^missing /m);
  });

  it("runs a container in a guest, with --privileged", async () => {
    const command = [...wordsOf("ENTRYPOINT"), "guestctl", "run", IMAGE, "echo", "hello"];
    expect(await container.run(command, { env, privileged: true })).toBe("hello\n");
  });

  it("serves the agent in a folder of the host, creates containers, and ends with SIGTERM", async () => {
    const volume = join(directory, "run");
    mkdirSync(volume);
    makeBusyboxRootfs(join(directory, "root/opt/rootfs"));
    const options = { env, privileged: true, volumes: { "/run/guestd-agent": volume } };
    const { child, exec, kill } = container.start([...wordsOf("ENTRYPOINT"), ...wordsOf("CMD")], options);
    const ended = once(child, "exit");
    try {
      const address = `unix://${volume}/agent.sock`;
      const guestctl = join(packageRoot(), "host/cli/guestctl.sh");
      const metrics = () => spawnSync(guestctl, ["metrics", "--address", address], { encoding: "utf8" }).stdout;
      await expect.poll(metrics).toMatch(/^guestd_heap_bytes \d+$/m);
      const inside = ["--address", "unix:///run/guestd-agent/agent.sock", "--rootfs", "/opt/rootfs"];
      expect(exec("guestctl", "run", ...inside, "--name", "one", "sh", "-c", "echo hello from $$")).toBe(
        "hello from 1\n",
      );
      expect(existsSync(`/proc/${child.pid}`)).toBe(true);
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    } finally {
      if (child.exitCode === null) kill();
    }
  });
});
