import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inPidNamespace } from "../init/testing/in-pid-namespace.ts";
import { inSandbox, runInSandbox, whyNoSandbox } from "./sandbox.ts";

const reason = whyNoSandbox();

describe(reason === undefined ? "the sandbox" : `the sandbox (skipped: ${reason})`, {
  skip: reason !== undefined,
}, () => {
  let directory = "";
  let tree = "";
  let root = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sandboxed-"));
    [tree, root] = [join(directory, "tree"), join(directory, "root")];
    for (const path of ["agent", "build/native", "build/test", "node_modules/library"]) {
      mkdirSync(join(tree, path), { recursive: true });
      writeFileSync(join(tree, path, "file"), "precious");
    }
    mkdirSync(root);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** Should the sandbox leak, a pid namespace of the test around it has the only processes that a signal can reach. */
  test("a signal to every process ends nothing outside", () => {
    const inside = "sleep 1000 & kill -KILL -1; wait $!; echo inside: $?";
    const around = 'sleep 1000 & "$@"; kill -KILL $! && echo outside: alive';
    const [unshare, flags] = inPidNamespace([
      "/bin/sh",
      "-c",
      around,
      "sh",
      ...inSandbox(root, tree, ["/bin/sh", "-c", inside]).flat(),
    ]);
    expect(execFileSync(unshare, flags, { encoding: "utf8" })).toBe("inside: 137\noutside: alive\n");
  });

  test("processes outside have no pid inside", async () => {
    const canary = spawn("sleep", ["1000"]);
    const { stdout } = await runInSandbox(tree, [
      "/bin/sh",
      "-c",
      `ls -d /proc/[0-9]*; kill -KILL ${canary.pid} || echo none`,
    ]);
    expect(stdout.trim().split("\n").length).toBeLessThan(6);
    expect(stdout.endsWith("\nnone\n")).toBe(true);
    expect(canary.exitCode ?? canary.signalCode).toBeNull();
    canary.kill();
    await once(canary, "exit");
  });

  test("files outside, of the tree too, can't be removed, nor programs of the machine be changed", async () => {
    const script = `rm -rf ${directory} /tree/agent /tree/build/native/file /tree/node_modules/library; ls -A /tree /old
      touch /usr/bin/new || mount -o remount,bind,rw /usr || echo read-only; test -w /proc/sys/kernel/panic || echo no sysctl`;
    const { stdout } = await runInSandbox(tree, ["/bin/sh", "-c", script]);
    expect(stdout).toBe("/old:\n\n/tree:\nbuild\nnode_modules\nread-only\nno sysctl\n");
    for (const path of ["agent", "build/native", "build/test", "node_modules/library"]) {
      expect(readFileSync(join(tree, path, "file"), "utf8")).toBe("precious");
    }
  });

  test("the command may change its copy of the tree and /tmp, and its mounts are not seen outside", async () => {
    const script =
      "cd /tree && echo new > agent/file && echo new > build/test/new && mount -t tmpfs new /tmp && cat agent/file";
    expect(await runInSandbox(tree, ["/bin/sh", "-c", script])).toEqual({ code: 0, stdout: "new\n" });
    expect(readFileSync(join(tree, "agent/file"), "utf8")).toBe("precious");
    expect(existsSync(join(tree, "build/test/new"))).toBe(false);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(directory);
  });

  test("devices of the machine can be neither seen nor made", async () => {
    const script = "ls /dev | tr '\\n' ' '; mknod /tmp/disk b 254 0 || echo none";
    const { stdout } = await runInSandbox(tree, ["/bin/sh", "-c", script]);
    expect(stdout).toBe("full null ptmx pts random shm tty urandom zero none\n");
  });

  test("a server of the machine can't be reached", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const connect = `exec 3<>/dev/tcp/127.0.0.1/${port}`;
    execFileSync("bash", ["-c", connect]);
    expect((await runInSandbox(tree, ["bash", "-c", connect])).code).toBe(1);
    server.close();
  });

  test("all of its processes end with the one that started it", async () => {
    const child = spawn(...inSandbox(root, tree, ["/bin/sh", "-c", "setsid sleep 1000 & echo started; wait"]));
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    // The background process has the pipe too: it closes when the last of them has ended.
    await once(child, "close");
    expect(child.signalCode).toBe("SIGKILL");
  });
});
