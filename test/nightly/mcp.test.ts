import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { type McpClient, startMcp } from "../scenarios/mcp-client.ts";
import { qemuBelow } from "../testing/qemu-below.ts";

const sandbox = "web";

describe("guestctl mcp with guests", () => {
  let directory: string;
  let folder: string;
  let mcp: McpClient;
  const start = (...options: string[]) => {
    const image = join(directory, "busybox.tar");
    const env = { XDG_RUNTIME_DIR: directory, TMPDIR: directory };
    return startMcp(["--image", image, "--memory", "256m", "--folder", folder, ...options], env);
  };
  const exec = (command: string, more = {}) => mcp.call("exec", { sandbox, command, ...more });
  const folders = () => readdirSync(directory).filter((name) => name.startsWith("guestd-share-"));
  const isGone = (pid: number) => !existsSync(`/proc/${pid}`);

  beforeAll(async () => {
    directory = makeWorkDirectory("mcp");
    folder = join(directory, "folder");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "of the host");
    await makeBusyboxImage(join(directory, "busybox.tar"));
    mcp = await start();
    const mounts = [{ host_path: folder, path: "/mnt" }];
    await mcp.call("sandbox_create", { name: sandbox, mounts });
  });
  afterAll(async () => {
    await mcp?.[Symbol.asyncDispose]();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it("runs commands in a guest that has no network and reads an allowed folder", async () => {
    expect(await exec("cat /mnt/file; exit 3")).toMatchObject({ exit_code: 3, stdout: "of the host" });
    expect(await exec("echo changed >/mnt/file")).toMatchObject({
      exit_code: 1,
      stderr: expect.stringMatching(/Read-only/),
    });
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("of the host");
    expect((await exec("ls /sys/class/net"))["stdout"]).toBe("lo\n");
    expect((await exec("ping -c 1 -W 1 10.0.2.2"))["exit_code"]).not.toBe(0);
    expect((await exec("cat /sys/fs/cgroup/pids.max"))["stdout"]).toBe("1024\n");
    const { stdout } = await exec("awk '/MemTotal/ { print $2 }' /proc/meminfo");
    expect(Number(stdout)).toBeLessThan(256 * 1024);
  });

  it("has files, copies, ports and logs", async () => {
    await mcp.call("file_write", { sandbox, path: "/root/a/file", content: "content" });
    expect((await mcp.call("file_read", { sandbox, path: "/root/a/file" }))["content"]).toBe("content");
    expect(await mcp.call("copy_in", { sandbox, host_path: join(folder, "file"), path: "/root/a" })).toMatchObject({
      copied: 1,
    });
    expect(await mcp.errorOf("copy_out", { sandbox, path: "/root/a", host_path: join(folder, "new") })).toMatch(
      /^permission-denied: /,
    );
    const server = await exec("nc -ll -p 4000 -e echo hello", { wait_seconds: 0 });
    expect(await mcp.call("port_forward", { sandbox, port: 4000 })).toMatchObject({ port: 4000 });
    await mcp.call("exec_kill", { sandbox, id: server["id"], signal: "SIGKILL" });
    expect((await mcp.call("sandbox_logs", { sandbox, source: "console" }))["text"]).toMatch(/Linux version|guestd/);
    expect((await mcp.call("sandbox_logs", { sandbox, source: "agent" }))["text"]).not.toBe("");
  });

  it("reports a guest that dies, and creates another", async () => {
    await using session = await start();
    await session.call("sandbox_create", { name: "dying" });
    const { id } = await session.call("exec", { sandbox: "dying", command: "sleep 1000", wait_seconds: 0 });
    const running = session.errorOf("exec_read", { sandbox: "dying", id, wait_for: "end", wait_seconds: 100 });
    const [qemu = -1] = qemuBelow(session.pid);
    process.kill(qemu, "SIGKILL");
    expect(await running).toMatch(/^guest-died: /);
    expect((await session.call("sandbox_list"))["sandboxes"]).toMatchObject([{ status: "ended" }]);
    expect(await session.errorOf("exec", { sandbox: "dying", command: "true" })).toMatch(
      /^guest-died: .*create another sandbox$/,
    );
    await session.call("sandbox_stop", { sandbox: "dying" });
    await session.call("sandbox_create", { name: "dying" });
  });

  it("ends a guest that is being created", async () => {
    const session = await start();
    const creating = session.call("sandbox_create", {});
    creating.catch(() => undefined);
    await expect.poll(() => qemuBelow(session.pid)).toHaveLength(1);
    const pids = [session.pid, ...qemuBelow(session.pid)];
    process.kill(session.pid, "SIGTERM");
    await session.closed;
    await expect(creating).rejects.toThrow();
    await expect.poll(() => pids.every(isGone)).toBe(true);
    expect(folders()).toHaveLength(1);
  });

  it("ends the session at a message that is too long", async () => {
    const server = startGuestctl(["mcp", "--image", "a:b"]);
    server.type("x".repeat((32 << 20) + 1));
    expect(await server.ended).toBe(0);
    expect(server.output.stderr).toMatch(/^guestctl: mcp: [^\n]+\n$/);
  });

  it.each(["stdin closed", "SIGTERM", "SIGKILL"] as const)("ends its guests: %s", async (how) => {
    const session = await start();
    await session.call("sandbox_create", { name: "ending" });
    const pids = [session.pid, ...qemuBelow(session.pid)];
    expect(pids).toHaveLength(2);
    if (how === "stdin closed") await session.client.close();
    else process.kill(session.pid, how);
    await session.closed;
    await expect.poll(() => pids.every(isGone)).toBe(true);
    expect((await mcp.call("sandbox_list"))["sandboxes"]).toHaveLength(1);
    if (how !== "SIGKILL") expect(folders()).toHaveLength(1);
  });
});
