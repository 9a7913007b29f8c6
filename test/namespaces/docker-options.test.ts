import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWithDevGuest, named, WHERE } from "./testing/dev-guest.ts";

/** Bits of capabilities. */
const [KILL, MKNOD, NET_ADMIN] = [1n << 5n, 1n << 27n, 1n << 12n];
/** Each poll runs a process. */
const POLL = { interval: 200 };

describeWithDevGuest("docker's options of guestctl", (dev) => {
  const run = async (options: readonly string[], script: string) => {
    const { stdout, stderr, code } = await dev.run("run", ...options, ...WHERE, "sh", "-c", script);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    return stdout.trim().split("\n");
  };
  const logs = async (name: string) => (await dev.run("logs", name)).stdout;

  it("give a container its host name, variables, capabilities and mounts", async () => {
    const file = join(dev.env["XDG_RUNTIME_DIR"] ?? "", "web.env");
    writeFileSync(file, "# of the test\nCOLOR=dark blue\nSIZE=1\n");
    const options = [
      "--hostname",
      "web-1",
      "--env-file",
      file,
      "-e",
      "SIZE=2",
      "--cap-drop",
      "KILL",
      "--security-opt",
      "no-new-privileges",
    ];
    const script = `hostname; echo "$COLOR $SIZE"; grep CapBnd /proc/self/status
      touch /file 2>/dev/null && echo writable; touch /run/file && echo tmpfs; grep ' /run ' /proc/self/mounts
      df -k /dev/shm | tail -n 1; grep NoNewPrivs /proc/self/status`;
    const mounts = ["--read-only", "--tmpfs", "/run:size=64k,mode=700", "--shm-size", "1m"];
    const [name, variables, capabilities = "", tmpfs, mount, shm, privileges, ...rest] = await run(
      [...options, ...mounts],
      script,
    );
    expect([name, variables, tmpfs, rest]).toEqual(["web-1", "dark blue 2", "tmpfs", []]);
    expect([shm, privileges]).toEqual([expect.stringMatching(/^shm +1024 /), "NoNewPrivs:\t1"]);
    expect(mount).toMatch(/^tmpfs \/run tmpfs rw,nosuid,nodev,noexec,.*\bsize=64k\b.*\bmode=700\b/);
    const bits = BigInt(`0x${capabilities.replace(/^CapBnd:\s*/, "")}`);
    expect([bits & KILL, bits & MKNOD, bits & NET_ADMIN]).toEqual([0n, MKNOD, 0n]);
  });

  it("give a container a host name of its own, which it resolves, and others the guest's", async () => {
    const script =
      'hostname; cat /etc/hostname; grep -c "^127.0.1.1 $(hostname)$" /etc/hosts; grep -c localhost /etc/hosts';
    expect(await run(["--hostname", "web-2"], script)).toEqual(["web-2", "web-2", "1", "2"]);
    expect(await run(["--read-only"], script)).toEqual(["dev", "dev", "1", "2"]);
  });

  it("give a container names of its own, and an init that reaps and passes signals on", async () => {
    const names = ["--add-host", "db:10.0.0.2", "--dns", "10.0.0.53", "--dns-search", "example.com"];
    const files = "tail -n 1 /etc/hosts; cat /etc/resolv.conf; echo '# own' >>/etc/hosts && tail -n 1 /etc/hosts";
    expect(await run(names, files)).toEqual(["10.0.0.2 db", "nameserver 10.0.0.53", "search example.com", "# own"]);
    const options = ["--init", "--read-only", "--stop-signal", "USR1"];
    const orphan = `orphan=$(sh -c 'true & echo $!'); while test -e /proc/$orphan; do sleep 0.1; done; echo reaped`;
    const script = `trap 'exit 3' USR1; cut -c 1-9 /proc/1/cmdline; ${orphan}; while :; do sleep 0.1; done`;
    expect(await dev.detach("init", options, script)).toEqual(named("init"));
    await expect.poll(() => logs("init"), POLL).toBe("/dev/init\nreaped\n");
    expect(await dev.run("stop", "init")).toEqual(named("init"));
    expect((await dev.run("wait", "init")).stdout).toBe("3\n");
    expect((await dev.run("rm", "init")).code).toBe(0);
    const missing = await dev.run("run", "--init", ...WHERE, "/nowhere");
    expect([missing.code, missing.stderr]).toEqual([127, "init: exec /nowhere: No such file or directory\n"]);
  });

  it("leave only the added capabilities of what is dropped", async () => {
    const options = ["--cap-drop", "ALL", "--cap-add", "MKNOD"];
    const [bounding = ""] = await run(options, "grep CapBnd /proc/self/status");
    expect(BigInt(`0x${bounding.replace(/^CapBnd:\s*/, "")}`)).toBe(MKNOD);
  });

  it("find containers by labels and ends, stop them by their signals, and remove them by force", async () => {
    const trap = "trap 'echo got; exit 3' USR1; trap '' TERM; echo up; while :; do sleep 0.1; done";
    const patient = ["--stop-timeout", "1000"];
    await dev.detach("web", [...patient, "-l", "app=web", "--stop-signal", "USR1"], trap);
    await dev.detach("deaf", [...patient, "-l", "app=deaf"], "trap '' TERM; echo up; while :; do sleep 1; done");
    for (const name of ["web", "deaf"]) await expect.poll(() => logs(name), POLL).toBe("up\n");
    const list = async (...filter: string[]) =>
      (await dev.run("ps", ...filter.flatMap((each) => ["--filter", each]), "--format", "{{.Container}}")).stdout;
    expect(await list("label=app")).toBe("web\ndeaf\n");
    expect(await list("label=app=web", "name=we")).toBe("web\n");
    expect(await dev.run("stop", "web")).toEqual(named("web"));
    expect(await logs("web")).toBe("up\ngot\n");
    expect(await dev.run("stop", "-t", "0", "deaf")).toEqual(named("deaf"));
    expect((await dev.run("wait", "web", "deaf")).stdout).toBe("3\n137\n");
    expect(await list("exited=3")).toBe("web\n");
    expect(JSON.parse((await dev.run("inspect", "web")).stdout)).toMatchObject([{ labels: { app: "web" } }]);
    const unknown = await dev.run("rm", "none");
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringMatching(/^guestctl: container none: not found; /),
    ]);
    expect((await dev.run("rm", "-f", "none", "web", "deaf")).code).toBe(0);
    expect(await list("status=exited")).toBe("");
  });

  it("kill a container that runs for longer than its --timeout", async () => {
    const { stderr, code } = await dev.run("run", "--name", "late", "--timeout", "1", ...WHERE, "sleep", "1000");
    expect([code, stderr]).toEqual([137, "guestctl: container late: killed, as it still ran after --timeout 1\n"]);
    expect((await dev.run("run", "--timeout", "1000", ...WHERE, "sh", "-c", "exit 3")).code).toBe(3);
  });
});
