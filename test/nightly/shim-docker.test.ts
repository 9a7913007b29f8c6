import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { ownContainerd } from "../vm/testing/own-containerd.ts";

const PLACES = { dockerd: "/usr/sbin/dockerd", docker: "/usr/bin/docker" };
const isThere = isRoot() && Object.values(PLACES).every(existsSync);
const POLL = { interval: 200, timeout: 60_000 };

describe.skipIf(!isThere)("Docker with guestd's shim (needs root and Debian's docker.io)", () => {
  // Debian's dockerd knows one shim, by its name.
  const { directory, socket } = ownContainerd("shim-docker-", { namespace: "moby", names: ["runc"] });
  const namespace = `shim${process.pid}-d`;
  const host = `unix://${join(directory, "docker.sock")}`;
  let daemon: ReturnType<typeof spawn>;

  async function docker(...args: readonly string[]) {
    const ended = await promisify(execFile)(PLACES.docker, ["--host", host, ...args]).catch((error) => error);
    return { code: ended.code ?? 0, stdout: String(ended.stdout), stderr: String(ended.stderr) };
  }
  const outside = async (url: string) =>
    (
      await promisify(execFile)("ip", ["netns", "exec", namespace, "busybox", "wget", "-q", "-O", "-", url]).catch(
        () => ({ stdout: "" }),
      )
    ).stdout;

  beforeAll(async () => {
    // Docker's bridge and packet filters stay in a namespace of their own.
    execFileSync("ip", ["netns", "add", namespace]);
    execFileSync("ip", ["-n", namespace, "link", "set", "lo", "up"]);
    const folders = [
      "--data-root",
      join(directory, "data"),
      "--exec-root",
      join(directory, "exec"),
      "--pidfile",
      join(directory, "pid"),
    ];
    const command = [
      `--net=/run/netns/${namespace}`,
      "--",
      PLACES.dockerd,
      "--containerd",
      socket,
      "--host",
      host,
      ...folders,
    ];
    daemon = spawn("nsenter", command, { stdio: "ignore" });
    while ((await docker("version")).code !== 0) {
      if (daemon.exitCode !== null) throw new Error(`dockerd: it ended with ${daemon.exitCode}`);
      await sleep(100);
    }
    const root = join(directory, "image");
    mkdirSync(join(root, "bin"), { recursive: true });
    for (const folder of ["tmp", "www", "etc"]) mkdirSync(join(root, folder));
    cpSync("/bin/busybox", join(root, "bin/busybox"));
    for (const name of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).trim().split("\n")) {
      if (name !== "busybox") symlinkSync("busybox", join(root, "bin", name));
    }
    execFileSync("tar", ["-C", root, "-cf", join(directory, "image.tar"), "."]);
    expect(await docker("import", join(directory, "image.tar"), "busybox:1")).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    const { stdout } = await docker("ps", "--all", "--quiet");
    for (const id of stdout.split("\n").filter((line) => line !== "")) await docker("rm", "--force", id);
    const gone = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill();
    await gone;
    execFileSync("ip", ["netns", "del", namespace]);
  });

  it("runs a container: output, exit code, user, folder, environment, host name", async () => {
    const script = "id -u; pwd; echo $A; hostname; uname -r; echo err >&2; exit 3";
    const options = ["--rm", "--user", "1000:1000", "--workdir", "/tmp", "--env", "A=b", "--hostname", "hh"];
    const { code, stdout, stderr } = await docker("run", ...options, "busybox:1", "sh", "-c", script);
    expect([code, stderr]).toEqual([3, "err\n"]);
    expect(stdout).toMatch(/^1000\n\/tmp\nb\nhh\n\S+\n$/);
  });

  it("publishes a port, execs, copies, logs, counts, pauses, updates, stops and starts again", async () => {
    const script =
      "trap 'exit 0' TERM; echo hello >/www/index.html; httpd -h /www; echo up; while :; do sleep 0.1; done";
    const options = ["--detach", "--name", "web", "--publish", "18080:80", "--memory", "64m"];
    expect(await docker("run", ...options, "busybox:1", "sh", "-c", script)).toMatchObject({ code: 0 });
    await expect.poll(() => outside("http://127.0.0.1:18080/"), POLL).toBe("hello\n");
    expect(await docker("exec", "web", "sh", "-c", "echo out; echo err >&2; exit 4")).toEqual({
      code: 4,
      stdout: "out\n",
      stderr: "err\n",
    });
    const terminal = [
      "--quiet",
      "--return",
      "--command",
      `${PLACES.docker} --host ${host} exec --interactive --tty web tty`,
      "/dev/null",
    ];
    expect((await promisify(execFile)("script", terminal)).stdout).toContain("/dev/pts/0");
    writeFileSync(join(directory, "file"), "copied\n");
    await docker("cp", join(directory, "file"), "web:/tmp/file");
    expect((await docker("exec", "web", "cat", "/tmp/file")).stdout).toBe("copied\n");
    expect((await docker("logs", "web")).stdout).toBe("up\n");
    expect((await docker("stats", "--no-stream", "--format", "{{.MemUsage}}", "web")).stdout).toMatch(
      /^[1-9].*\/ 64MiB\n$/,
    );
    await docker("pause", "web");
    expect((await docker("ps", "--format", "{{.Status}}")).stdout).toContain("(Paused)");
    await docker("unpause", "web");
    await docker("update", "--memory", "50m", "--memory-swap", "50m", "web");
    expect((await docker("exec", "web", "cat", "/sys/fs/cgroup/memory.max")).stdout).toBe(`${50 * 2 ** 20}\n`);
    expect(
      (await docker("run", "--rm", "--link", "web", "busybox:1", "wget", "-q", "-O", "-", "http://web/")).stdout,
    ).toBe("hello\n");
    await docker("stop", "web");
    expect((await docker("inspect", "--format", "{{.State.ExitCode}}", "web")).stdout).toBe("0\n");
    await docker("start", "web");
    await expect.poll(() => outside("http://127.0.0.1:18080/"), POLL).toBe("hello\n");
    await docker("rm", "--force", "web");
  });

  it("builds with RUN in a guest, mounts folders, and refuses the host's devices in one line", async () => {
    const context = join(directory, "context");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), 'FROM busybox:1\nRUN uname -r >/built\nENTRYPOINT ["cat"]\n');
    expect(await docker("build", "--quiet", "--tag", "built:1", context)).toMatchObject({ code: 0 });
    expect((await docker("run", "--rm", "built:1", "/built")).stdout).toMatch(/-cloud-/);
    await docker("run", "--rm", "--volume", `${context}:/v`, "busybox:1", "sh", "-c", "echo written >/v/new");
    expect(readFileSync(join(context, "new"), "utf8")).toBe("written\n");
    const { code, stderr } = await docker("run", "--rm", "--privileged", "busybox:1", "true");
    const refused = /a guest can't use the host's device \S+; leave out --device or --privileged/;
    expect([code, stderr]).toEqual([125, expect.stringMatching(refused)]);
  });
});
