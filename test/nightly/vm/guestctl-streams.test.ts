import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPcapng } from "../../../host/client/streams/testing/read-pcapng.ts";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { startGuestctl, startProgram } from "../../scenarios/guestctl-process.ts";
import { missingPrograms } from "../../scenarios/missing-programs.ts";

describe("guestctl's stdio in a guest", () => {
  let directory: string;
  let image: string;

  const start = (...args: string[]) => startGuestctl(args, { env: { XDG_RUNTIME_DIR: directory } });
  const startInTerminal = (...args: string[]) =>
    startGuestctl(args, { tty: true, env: { XDG_RUNTIME_DIR: directory } });
  const run = async (...args: string[]) => {
    const { ended, output } = start(...args);
    return { code: await ended, stdout: output.stdout.toString(), stderr: output.stderr };
  };

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestctl-streams-"));
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    expect((await run("boot", "-d", "--name", "kept")).stderr).toBe("");
    expect(await run("run", "-d", "-g", "kept", "--name", "web", image, "sleep", "1000")).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await run("stop", "kept");
    rmSync(directory, { recursive: true, force: true });
  });

  it("continues in a terminal after guestctl agent kill, with what was typed meanwhile", async () => {
    const shell = startInTerminal("exec", "-it", "web", "sh");
    shell.type("stty -echo; echo rea''dy\r");
    await shell.prints("ready");
    const killing = run("agent", "kill");
    for (let count = 1; count <= 10; count++) shell.type(`echo typed-${count}\r`);
    expect((await killing).stdout).toMatch(/^agent 1 was killed/);
    shell.type("exit 5\r");
    expect(await shell.ended).toBe(5);
    const typed = shell.output.stdout.toString().match(/typed-\d+/g);
    expect(typed).toEqual(Array.from({ length: 10 }, (_, at) => `typed-${at + 1}`));
  });

  it("resumes a command by its id after kill -9 of guestctl", async () => {
    const first = start("exec", "-i", "--name", "job", "web", "sh", "-c", "seq 1 60000; read line; exit $line");
    await first.prints("\n1000\n");
    first.child.kill("SIGKILL");
    await first.ended;
    expect((await run("ps")).stdout).toMatch(/^kept +web +job +exec /m);
    const second = start("exec", "-i", "--resume", "job", "--from", `${first.output.stdout.length}`);
    second.type("7\n");
    expect([await second.ended, second.output.stderr]).toEqual([7, ""]);
    const numbers = Array.from({ length: 60_000 }, (_, at) => `${at + 1}\n`).join("");
    expect(first.output.stdout.toString() + second.output.stdout === numbers).toBe(true);
    expect((await run("ps")).stdout).not.toMatch(/job/);
  });

  const missing = missingPrograms("ssh", "scp");
  it.skipIf(missing !== undefined)(
    `serves ssh and scp by the lines that ssh-proxy prints, over the agent's death${missing ? ` (skipped: ${missing})` : ""}`,
    async () => {
      const env = { XDG_RUNTIME_DIR: directory, HOME: directory, SSH_AUTH_SOCK: "" };
      const printed = startGuestctl(["ssh-proxy", "--config", "web"], { env });
      expect(await printed.ended).toBe(0);
      const [config, file, back] = ["config", "file", "back"].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ];
      writeFileSync(config, printed.output.stdout);
      writeFileSync(file, randomBytes(1_000_000));
      const ssh = (program: string, ...words: string[]) => startProgram([program, "-F", config, ...words], { env });
      const up = ssh("scp", "-q", file, "web:file");
      expect((await run("agent", "kill")).code).toBe(0);
      expect([await up.ended, up.output.stderr]).toEqual([0, ""]);
      expect(await ssh("scp", "-q", "web:file", back).ended).toBe(0);
      expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
      const command = ssh("ssh", "web", "wc -c <file; exit 4");
      expect([await command.ended, command.output.stdout.toString()]).toEqual([4, "1000000\n"]);
    },
  );

  it("detaches from a container's terminal in a running guest, attaches again, and leaves it to rm", async () => {
    const script = "stty -echo; echo up; read line; echo got $line; exit 6";
    const first = startInTerminal("run", "-it", "-g", "kept", "--name", "term", image, "sh", "-c", script);
    await first.prints("up");
    first.type("\u0010\u0011");
    expect(await first.ended).toBe(125);
    expect(first.output.stdout.toString()).toMatch(
      /guestctl: container term: detached at byte \d+: by its keys; continue with: guestctl attach --from \d+ term\r\n$/,
    );
    const second = startInTerminal("attach", "term");
    second.type("typed\r");
    await second.prints("got typed");
    expect(await second.ended).toBe(6);
    expect(await run("rm", "term")).toEqual({ code: 0, stdout: "term\n", stderr: "" });
  });

  it("debugs a container with a tools image, explains how, and leaves the target unchanged", async () => {
    const tools = startInTerminal("debug", "-it", "--name", "tools", "--image", image, "web");
    tools.type("stty -echo; ps -o args; ls -d /target/bin; touch /target/new; echo rea''dy\r");
    await tools.prints(/sleep 1000.*\/target\/bin.*Read-only file system.*ready/s);
    expect((await run("explain", "tools")).stdout).toMatch(/mount on +\/target +shared_mounts debug web/);
    tools.type("exit 5\r");
    expect(await tools.ended).toBe(5);
    expect((await run("ps", "-a")).stdout).not.toMatch(/tools/);
  });

  it("captures packets of a container, over vsock", async () => {
    const file = join(directory, "packets.pcapng");
    const capture = start("capture", "web", "-w", file, "icmp and host 127.0.0.1", "-c", "4");
    await expect.poll(() => capture.output.stderr).toMatch(/^guestctl: capturing all interfaces of web\n/);
    expect(await run("exec", "web", "ping", "-c", "2", "127.0.0.1")).toMatchObject({ code: 0 });
    expect(await capture.ended).toBe(0);
    expect(capture.output.stderr).toMatch(/\nguestctl: 4 packets captured, 0 dropped by the guest\n$/);
    // Each of them once: of IP and ICMP, with 56 bytes of data.
    const { packets } = readPcapng(readFileSync(file));
    expect(packets.map(({ interfaceName, bytes }) => [interfaceName, bytes.length])).toEqual(
      Array(4).fill(["lo", 20 + 8 + 56]),
    );
  });

  it("prints the guest's events", async () => {
    expect(await run("run", "-g", "kept", "--name", "short", image, "sh", "-c", "exit 3")).toMatchObject({ code: 3 });
    const { stdout } = await run("events", "--no-follow", "--filter", "container=short", "--json");
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ action, code }) => [action, code])).toEqual([
      ["created", undefined],
      ["started", undefined],
      ["exited", 3],
      ["removed", undefined],
    ]);
  });

  it("takes a detached container over from the guestctl that keeps it, which still records its end", async () => {
    const refused = await run("attach", "--no-stdin", "web");
    expect(refused).toEqual({
      ...{ code: 125, stdout: "" },
      stderr:
        "guestctl: container web: a guestctl in the background is attached; " +
        "guestctl logs -f web shows its output, --takeover replaces that client\n",
    });
    const script = "until test -e /go; do sleep 0.1; done; exit 4";
    const { stdout } = await run("run", "-d", "-g", "kept", "--name", "taken", image, "sh", "-c", script);
    expect(stdout).toBe("taken\n");
    const attached = run("attach", "--takeover", "--no-stdin", "taken");
    const logs = async () => (await run("logs", "taken")).stdout;
    await expect
      .poll(logs, { interval: 200 })
      .toMatch(/^guestctl: container taken: cut at byte 0: attach: another client has taken over/);
    expect(await run("exec", "taken", "touch", "/go")).toMatchObject({ code: 0 });
    expect(await attached).toEqual({ code: 4, stdout: "", stderr: "" });
    expect(await run("wait", "taken")).toMatchObject({ code: 0, stdout: "4\n" });
    expect(await run("rm", "taken")).toMatchObject({ code: 0 });
  });
});
