import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl, startProgram } from "../scenarios/guestctl-process.ts";
import { missingPrograms } from "../scenarios/missing-programs.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";
import { outcome, SshClient } from "./testing/ssh-client.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
/** More than a window of ssh2, 2 MiB. */
const OVER_A_WINDOW = 3_000_000;
/** Long enough for a window to fill. */
const PAUSE_MS = 300;

describeInNamespaces(
  "guestctl ssh-proxy",
  () => {
    let machine: Awaited<ReturnType<typeof startHostAgent>>;
    let pod: Pod;
    let client: SshClient;
    beforeAll(async () => {
      machine = await startHostAgent();
      pod = await Pod.open(machine);
      client = await SshClient.open(machine, await pod.start(["sleep", "1000"]));
    });
    afterAll(async () => {
      await client?.[Symbol.asyncDispose]();
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    it("runs a command in the user's home, with stdin, both outputs and the exit status", async () => {
      const running = client.ssh("pwd; cat; echo oops >&2; exit 3");
      running.child.stdin?.end("typed\n");
      expect(await outcome(running)).toEqual({ code: 3, stdout: "/root\ntyped\n", stderr: "oops\n" });
    });

    it("passes environment variables on", async () => {
      const running = client.ssh("echo $LC_TEST $SHELL");
      expect((await outcome(running)).stdout).toBe("given /bin/sh\n");
    });

    it("reports the signal that killed a command, and no success", async () => {
      const { code, stderr } = await outcome(client.alone("kill -TERM $$", "-v"));
      expect(code).toBe(255);
      expect(stderr).toMatch(/rtype exit-signal reply 0/);
    });

    it("allocates a terminal of the size of the user's", async () => {
      const shell = client.run("ssh", ["-tt", client.host], { tty: true });
      shell.type("stty size; exit 5\r");
      expect(await shell.ended).toBe(5);
      expect(shell.output.stdout.toString()).toMatch(/^30 100\r$/m);
    });

    it("passes changes of the terminal's size on", async () => {
      const script = "trap 'stty size; exit 6' WINCH; echo rea''dy; while :; do sleep 0.1; done";
      // A shared connection passes no changes on: only an ssh that has a terminal itself watches its size.
      const running = client.run("ssh", ["-tt", "-o", "ControlPath=none", client.host, script], { tty: true });
      await running.prints("ready\r\n");
      execFileSync("stty", ["-F", running.terminal(), "rows", "40"]);
      await running.prints("40 100");
      expect(await running.ended).toBe(6);
    });

    it("returns every byte of both outputs when each waits for ssh's window", async () => {
      const script = `head -c ${OVER_A_WINDOW} /dev/zero; head -c ${OVER_A_WINDOW} /dev/zero >&2; echo end`;
      const running = client.ssh(script);
      const { stdout: out, stderr: errors } = running.child;
      out?.pause();
      errors?.pause();
      await sleep(PAUSE_MS);
      out?.resume();
      await sleep(PAUSE_MS);
      errors?.resume();
      const { code, stdout, stderr } = await outcome(running);
      expect([code, stdout.length, stderr.length]).toEqual([0, OVER_A_WINDOW + 4, OVER_A_WINDOW]);
    });

    it("returns every byte both ways while the agent is killed", async () => {
      const input = randomBytes(2_000_000);
      const running = client.ssh("cat");
      running.type(input.subarray(0, 1_000_000));
      await machine.killAgent();
      running.type(input.subarray(1_000_000));
      await machine.killAgent();
      running.child.stdin?.end();
      expect(await running.ended).toBe(0);
      expect([running.output.stdout.length, sha256(running.output.stdout)]).toEqual([input.length, sha256(input)]);
      expect(running.output.stderr).toBe("");
    });

    it("ends a command whose ssh is gone", async () => {
      const running = client.alone("echo $$; exec sleep 12345");
      await running.prints(/^\d+\n/);
      running.child.kill("SIGKILL");
      const list = async () => (await pod.execute(client.host, ["ps", "-o", "args"])).stdout.toString();
      await expect.poll(list).not.toMatch(/^sleep 12345$/m);
    });

    it("forwards connections to ports and sockets of the container, and refuses one at a time", async () => {
      const server = "mkdir -p /web; echo hello >/web/page; httpd -p 127.0.0.1:8080 -h /web";
      expect(await client.ssh(server).ended).toBe(0);
      const get = (port: number) => {
        const running = client.run("ssh", ["-W", `localhost:${port}`, client.host]);
        running.child.stdin?.end("GET /page HTTP/1.0\r\n\r\n");
        return outcome(running);
      };
      expect((await get(8080)).stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhello\n$/);
      expect(await get(8081)).toMatchObject({ code: 255, stdout: "" });
      expect((await get(8080)).code).toBe(0);
    });

    it("forwards connections from a port of the container to this machine with -R", async () => {
      const server = createServer((socket) => socket.end("from here\n")).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      try {
        const flags = ["-o", "ExitOnForwardFailure=yes", "-R", `7099:127.0.0.1:${port}`];
        expect(await outcome(client.alone("nc 127.0.0.1 7099 </dev/null", ...flags))).toMatchObject({
          ...{ code: 0, stdout: "from here\n" },
        });
      } finally {
        server.close();
      }
    });

    it("accepts a key that ssh-agent holds or a file lists, and no other", async () => {
      const key = join(machine.directory, "user-key");
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
      const own = ["-o", `IdentityFile=${key}`, "-o", "IdentityAgent=none"];
      const config = readFileSync(client.config, "utf8").replace(/ {2}Identit.*\n/g, "");
      const connect = async (name: string, text: string, env: NodeJS.ProcessEnv, ...flags: string[]) => {
        const file = join(machine.directory, name);
        writeFileSync(file, text);
        const line = [
          "ssh",
          "-F",
          file,
          "-o",
          "ControlPath=none",
          "-o",
          "BatchMode=yes",
          ...flags,
          client.host,
          "echo in",
        ];
        return outcome(startProgram(line, { env: { ...client.env, ...env } }));
      };
      const refused = await connect("refused", config, {}, ...own);
      expect([refused.code, refused.stdout]).toEqual([255, ""]);
      expect(refused.stderr).toMatch(/Permission denied \(publickey\)/);
      const listed = config.replace("ssh-proxy ", `ssh-proxy --authorized-keys ${key}.pub `);
      expect((await connect("listed", listed, {}, ...own)).stdout).toBe("in\n");
      const agent = execFileSync("ssh-agent", ["-s"], { encoding: "utf8" });
      const [, socket = "", pid = ""] = /SSH_AUTH_SOCK=([^;]+);[\s\S]*SSH_AGENT_PID=(\d+)/.exec(agent) ?? [];
      try {
        const env = { SSH_AUTH_SOCK: socket };
        execFileSync("ssh-add", ["-q", key], { env: { ...process.env, ...env }, stdio: "pipe" });
        expect(await connect("agent", config, env)).toEqual({ code: 0, stdout: "in\n", stderr: "" });
      } finally {
        process.kill(Number(pid));
      }
    });

    it("reports a container that does not exist in one line, with ssh's status for a lost connection", async () => {
      const file = join(machine.directory, "nowhere");
      writeFileSync(file, readFileSync(client.config, "utf8").replaceAll(client.host, "nowhere"));
      const running = startProgram(["ssh", "-F", file, "-o", "ControlPath=none", "nowhere", "true"], {
        env: client.env,
      });
      const { code, stderr } = await outcome(running);
      expect(code).toBe(255);
      expect(stderr).toMatch(/^guestctl: .*nowhere.*\r\n$/);
    });

    it("ends with one line at bytes that are not SSH, at broken packets, and at a client that leaves too early", async () => {
      const line = ["ssh-proxy", "--address", machine.address, client.host];
      for (const bytes of ["x".repeat(100_000), "SSH-2.0-test\r\n", `SSH-2.0-test\r\n${"\u00ff".repeat(100_000)}`]) {
        const broken = startGuestctl(line, { env: client.env });
        broken.child.stdin?.end(bytes);
        expect(await broken.ended).toBe(1);
        expect(broken.output.stderr).toMatch(/^guestctl: ssh-proxy: .+\n$/);
      }
    });

    it("tells what it is for if it is started by hand", async () => {
      const running = startGuestctl(["ssh-proxy", "--address", machine.address, client.host], {
        tty: true,
        env: client.env,
      });
      expect(await running.ended).toBe(1);
      expect(running.output.stdout.toString()).toMatch(/^guestctl: ssh-proxy: stdin isn't a pipe; .*--config\r\n$/);
    });
  },
  missingPrograms("ssh", "ssh-agent"),
);

describeInNamespaces(
  "guestctl ssh-proxy without a guest",
  () => {
    it("reports ssh's 255 and the byte at which the output was cut, never a success", async () => {
      const machine = await startHostAgent();
      const pod = await Pod.open(machine);
      await using client = await SshClient.open(
        machine,
        await pod.start(["sleep", "1000"]),
        "--reconnect-timeout",
        "1",
      );
      const running = client.ssh("echo hello; sleep 1000");
      await running.prints("hello\n");
      await pod.client.close();
      await machine[Symbol.asyncDispose]();
      expect(await running.ended).toBe(255);
      expect(running.output.stderr).toMatch(/^guestctl: .*: cut at byte 6 of stdout: .*\r\n$/);
    });
  },
  missingPrograms("ssh"),
);
