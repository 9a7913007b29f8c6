import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { attach as attachTo } from "../../host/client/streams/attachment.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startCuttingProxy } from "../scenarios/cutting-proxy.ts";
import { type GuestctlProcess, startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
const KILLS = 3;
const DETACH = "\u0010\u0011";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Returns the words of the command that a cut or detached guestctl printed, without "guestctl". */
function resumeLine({ output }: GuestctlProcess): string[] {
  const text = `${output.stderr}${output.stdout}`;
  const [, line] = /continue with: guestctl ([^\r\n]+)/.exec(text) ?? [];
  if (line === undefined) throw new Error(`no command to continue with: ${text}`);
  return line.split(" ");
}

/** Starts an agent with a pod and a container. */
async function startPod(config?: string) {
  const machine = await startHostAgent({ config });
  const pod = await Pod.open(machine);
  const container = await pod.start(["sleep", "1000"]);
  const close = async () => {
    await pod.client.close();
    await machine[Symbol.asyncDispose]();
  };
  const shell = (script: string, ...flags: string[]) => [
    ...["exec", "--address", machine.address, ...flags, container, "sh", "-c", script],
  ];
  return { machine, pod, container, shell, [Symbol.asyncDispose]: close };
}

describeInNamespaces("guestctl exec", () => {
  let given: Awaited<ReturnType<typeof startPod>>;
  let names = 0;
  beforeAll(async () => {
    given = await startPod();
  });
  afterAll(() => given?.[Symbol.asyncDispose]());

  const exec = (script: string, ...flags: string[]) => startGuestctl(given.shell(script, ...flags));
  const terminal = (script: string, ...flags: string[]) =>
    startGuestctl(given.shell(script, "-it", ...flags), { tty: true });
  const attach = (name: string, ...flags: string[]) =>
    startGuestctl(["attach", "--address", given.machine.address, ...flags, `${given.container}/${name}`]);
  const newName = () => `guestctl-${++names}`;

  it("passes stdin, output and the exit code, and prints nothing else", async () => {
    const running = exec("cat; echo oops >&2; exit 3", "-i");
    running.child.stdin?.end("typed\n");
    expect(await running.ended).toBe(3);
    expect([running.output.stdout.toString(), running.output.stderr]).toEqual(["typed\n", "oops\n"]);
  });

  it(`returns every byte of a mebibyte both ways over ${KILLS} kills of the agent (seed ${SEED})`, async () => {
    const random = randomFrom(SEED);
    const input = randomBytesOf(random, 1 << 20);
    const running = exec("cat", "-i");
    for (let kills = 0; kills <= KILLS; kills++) {
      const from = Math.floor((input.length / (KILLS + 1)) * kills);
      running.type(input.subarray(from, Math.floor((input.length / (KILLS + 1)) * (kills + 1))));
      await sleep(random() * 50);
      if (kills < KILLS) await given.machine.killAgent();
    }
    running.child.stdin?.end();
    expect(await running.ended).toBe(0);
    expect(running.output.stderr).toBe("");
    expect([running.output.stdout.length, sha256(running.output.stdout)]).toEqual([input.length, sha256(input)]);
  });

  it("returns every byte both ways over connections that are cut after any byte", async () => {
    const random = randomFrom(SEED);
    const input = randomBytesOf(random, 300_000);
    const path = `${given.machine.directory}/cutting`;
    const target = `${given.machine.address.slice("unix://".length)}_1028`;
    await using proxy = await startCuttingProxy(`${path}_1028`, target, random, 60_000);
    const running = startGuestctl(["exec", "-i", "--address", `unix://${path}`, given.container, "cat"]);
    running.child.stdin?.end(input);
    expect(await running.ended).toBe(0);
    expect([running.output.stderr, sha256(running.output.stdout)]).toEqual(["", sha256(input)]);
    expect(proxy.cuts).toBeGreaterThan(0);
  });

  it("serves guestctl run in the same way while the agent is killed", async () => {
    const rootfs = given.machine.rootfs("run");
    const script = "echo up; read line; echo got $line; exit 3";
    const line = ["run", "-i", "--address", given.machine.address, "--rootfs", rootfs, "sh", "-c", script];
    const running = startGuestctl(line);
    await running.prints("up\n");
    const killed = given.machine.killAgent();
    running.type("typed\n");
    await killed;
    expect(await running.ended).toBe(3);
    expect([running.output.stdout.toString(), running.output.stderr]).toEqual(["up\ngot typed\n", ""]);
  });

  it("continues at the byte with --resume and --from in another process, after kill -9", async () => {
    const name = newName();
    const first = exec("seq 1 60000; read line; echo $line", "-i", "--name", name);
    await first.prints("\n1000\n");
    first.child.kill("SIGKILL");
    await first.ended;
    const { length } = first.output.stdout;
    const line = ["exec", "--address", given.machine.address, "-i", "--resume", name, "--from", `${length}`];
    const second = startGuestctl([...line, given.container]);
    second.type("typed\n");
    expect(await second.ended).toBe(0);
    const numbers = Array.from({ length: 60_000 }, (_, at) => `${at + 1}\n`).join("");
    expect(second.output.stderr).toBe("");
    expect(first.output.stdout.toString() + second.output.stdout).toBe(`${numbers}typed\n`);
  });

  it("runs a command in the background with -d, and attach returns its output and exit code", async () => {
    const started = exec("echo first; sleep 0.2; echo last; exit 4", "-d");
    expect(await started.ended).toBe(0);
    expect(started.output.stdout.toString()).toMatch(/^x-[0-9a-f]{8}\n$/);
    const attached = attach(started.output.stdout.toString().trim(), "--no-stdin");
    expect(await attached.ended).toBe(4);
    expect([attached.output.stdout.toString(), attached.output.stderr]).toEqual(["first\nlast\n", ""]);
  });

  it("never makes a command of -d wait, and attach names the bytes that are gone", async () => {
    const name = newName();
    const done = `/${name}.done`;
    const started = exec(
      `seq 1 100000; touch ${done}; read line; echo "got $line"; exit 4`,
      "-d",
      "-i",
      "--name",
      name,
    );
    expect(await started.ended).toBe(0);
    const isDone = async () => (await given.pod.execute(given.container, ["test", "-e", done])).status;
    await expect.poll(isDone).toBe(0);
    const attached = attach(name);
    await attached.prints("\n100000\n");
    attached.type("typed\n");
    expect(await attached.ended).toBe(4);
    const all = Array.from({ length: 100_000 }, (_, at) => `${at + 1}\n`).join("");
    const gone = all.length - 256 * 1024;
    expect(attached.output.stderr).toBe(
      `guestctl: bytes 0 to ${gone} of stdout are gone: only the last 262144 bytes are kept\n`,
    );
    expect(attached.output.stdout.toString()).toBe(`${all.slice(gone)}got typed\n`);
  });

  it("makes a command of -d wait for the client that is attached, until it leaves", async () => {
    const name = newName();
    expect(await exec("read line; seq 1 200000; exec sleep 1000", "-d", "-i", "--name", name).ended).toBe(0);
    const first = attach(name);
    first.child.stdout?.pause();
    first.type("go\n");
    const all = Array.from({ length: 200_000 }, (_, at) => `${at + 1}\n`).join("");
    await sleep(1000); // a command that doesn't wait would have printed everything
    first.child.stdout?.resume();
    await first.prints("\n200000\n");
    expect([first.output.stderr, first.output.stdout.toString()]).toEqual(["", all]);
    first.child.kill("SIGHUP");
    await first.ended;
  });

  it("starts further commands although all memory for output is that of ended ones without a client", async () => {
    const keepBytes = Math.floor(Math.min(totalmem() / 16, 256 << 20) / 5); // of each output: two processes fit
    const process = { Args: ["true"], Env: ["PATH=/bin"], Cwd: "/" };
    for (let at = 0; at < 4; at++) {
      const request = { container: given.container, exec: newName(), process, observe: true, keepBytes };
      const { exit } = attachTo(
        `${given.machine.address}_1028`,
        { ...request, mode: "spool" },
        { onData: () => undefined },
      );
      expect((await exit).code).toBe(0);
    }
  });

  it("refuses a second client, which --takeover lets replace the first", async () => {
    const name = newName();
    const first = exec("while read x; do echo $x; done", "-i", "--name", name);
    first.type("one\n");
    await first.prints("one\n");
    const refused = attach(name);
    expect(await refused.ended).toBe(125);
    expect(refused.output.stderr).toBe("guestctl: attach: another client is attached; --takeover replaces it\n");
    const second = attach(name, "--takeover");
    expect(await first.ended).toBe(125);
    expect(first.output.stderr).toMatch(
      /^guestctl: exec \S+ in container \S+: cut at byte 4: attach: another client has taken over; continue with: .* --takeover\n$/,
    );
    second.child.stdin?.end("two\n");
    expect(await second.ended).toBe(0);
    expect(second.output.stdout.toString()).toBe("two\n");
  });

  it("leaves a terminal at the detach keys with 125, and the printed command continues with it", async () => {
    const first = terminal("stty size; stty -echo; read x; echo got $x; exit 6");
    await first.prints("30 100");
    first.type(`a${DETACH}`);
    expect(await first.ended).toBe(125);
    expect(first.output.stdout.toString()).toMatch(
      /guestctl: exec \S+ in container \S+: detached at byte \d+: by its keys; continue with: guestctl exec --address \S+ -it --resume \S+ --from \d+ \S+\r\n$/,
    );
    const second = startGuestctl(resumeLine(first), { tty: true });
    second.type("bc\r");
    expect(await second.ended).toBe(6);
    expect(second.output.stdout.toString()).toContain("got abc\r\n");
  });

  it("takes over the terminal before it prints output that was waiting", async () => {
    const name = newName();
    expect(await exec("seq 2000; read x", "-d", "-it", "--name", name).ended).toBe(0);
    const line = ["attach", "--address", given.machine.address, `${given.container}/${name}`];
    const attached = startGuestctl(line, { tty: true });
    await attached.prints("\n2000\r");
    attached.type("x\r");
    expect(await attached.ended).toBe(0);
    expect(attached.output.stdout.toString()).not.toContain("\r\r\n"); // CR LF, translated once more
  });

  it("takes other detach keys, or none", async () => {
    const other = terminal("stty raw -echo; echo ready; head -c 2 | od -c", "--detach-keys", "ctrl-a,d");
    await other.prints("ready");
    other.type(DETACH);
    await other.prints("020 021");
    expect(await other.ended).toBe(0);
    const left = terminal("echo ready; sleep 1000", "--detach-keys", "ctrl-a,d");
    await left.prints("ready");
    left.type("\u0001d");
    expect(await left.ended).toBe(125);
  });

  it("keeps what is typed at a terminal while the agent is dead", async () => {
    const running = terminal("echo ready; while :; do read x && echo got-$x && [ $x != end ] || exit 0; done");
    await running.prints("ready");
    const killed = given.machine.killAgent();
    running.type("typed\r");
    await killed;
    await running.prints("got-typed");
    running.type("end\r");
    expect(await running.ended).toBe(0);
    expect(running.output.stdout.toString().match(/got-\w+/g)).toEqual(["got-typed", "got-end"]);
  });

  it("shows one line on a terminal while it is disconnected, and removes it", async () => {
    const path = `${given.machine.directory}/failing`;
    const target = `${given.machine.address.slice("unix://".length)}_1028`;
    const passing = () => startCuttingProxy(`${path}_1028`, target, () => 1, Number.MAX_SAFE_INTEGER);
    const network = await passing();
    const script = "stty -echo; echo ready; read x; echo got-$x";
    const line = ["exec", "-it", "--address", `unix://${path}`, given.container, "sh", "-c", script];
    const running = startGuestctl(line, { tty: true });
    await running.prints("ready");
    await network[Symbol.asyncDispose]();
    await running.prints("connecting again");
    running.type("typed\r");
    await using _ = await passing();
    expect(await running.ended).toBe(0);
    const below = "\u001bD\u001b[A\u001b7\u001b[B\r\u001b[K";
    expect(running.output.stdout.toString().split(below).slice(1)).toEqual([
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the line ends with the cursor's return
      expect.stringMatching(/^guestctl: disconnected \(.+\); connecting again …\u001b8$/),
      "\u001b8got-typed\r\n",
    ]);
  });

  it("passes changes of the terminal's size on", async () => {
    const running = terminal("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done");
    await running.prints("ready");
    execFileSync("stty", ["-F", running.terminal(), "rows", "40", "cols", "120"]);
    await running.prints("40 120");
    expect(await running.ended).toBe(0);
  });

  it("leaves the command running when its terminal is closed", async () => {
    const name = newName();
    const first = terminal("echo ready; read x; echo got-$x", "--name", name);
    await first.prints("ready");
    first.child.kill("SIGKILL"); // script(1), which holds the terminal
    const line = ["exec", "--address", given.machine.address, "-i", "--resume", name, given.container];
    await expect
      .poll(async () => {
        const second = startGuestctl(line);
        second.child.stdin?.end("typed\n");
        await second.ended;
        return second.output.stdout.toString();
      })
      .toMatch(/got-typed/);
  });

  it("passes signals on: SIGINT to the command, a second one as SIGKILL", async () => {
    const running = exec("trap 'echo got' INT; echo ready; while :; do sleep 0.1; done");
    await running.prints("ready");
    running.child.kill("SIGINT");
    await running.prints("got");
    running.child.kill("SIGINT");
    expect(await running.ended).toBe(137);
  });

  it("kills a command whose output is no longer read", async () => {
    const running = exec("yes");
    await running.prints("y\n");
    running.child.stdout?.destroy();
    expect(await running.ended).toBe(137);
  });
});

describeInNamespaces("guestctl exec without an agent that answers", () => {
  it("uses Kata's calls for an agent without guestd.v1.Streams", async () => {
    await using given = await startPod("streams_port = 0");
    const running = startGuestctl(given.shell("cat; exit 3", "-i"));
    running.child.stdin?.end("typed\n");
    expect(await running.ended).toBe(3);
    expect([running.output.stdout.toString(), running.output.stderr]).toEqual(["typed\n", ""]);
    const started = startGuestctl(given.shell("echo later; exit 4", "-d"));
    expect(await started.ended).toBe(0);
    const id = `${given.container}/${started.output.stdout.toString().trim()}`;
    const attached = startGuestctl(["attach", "--address", given.machine.address, "--no-stdin", id]);
    expect(await attached.ended).toBe(4);
    expect(attached.output.stdout.toString()).toBe("later\n");
    const rootfs = given.machine.rootfs("run");
    const run = startGuestctl([
      "run",
      "--address",
      given.machine.address,
      "--rootfs",
      rootfs,
      "sh",
      "-c",
      "echo x; exit 5",
    ]);
    expect(await run.ended).toBe(5);
    expect([run.output.stdout.toString(), run.output.stderr]).toEqual(["x\n", ""]);
  });

  it("leaves a command at the fourth signal while it is disconnected", async () => {
    await using given = await startPod();
    const running = startGuestctl(given.shell("echo hello; sleep 1000"));
    await running.prints("hello\n");
    process.kill(await given.machine.agentPid(), "SIGSTOP");
    const signals = setInterval(() => running.child.kill("SIGINT"), 50); // at once, they would merge
    expect(await running.ended).toBe(125);
    clearInterval(signals);
    expect(running.output.stderr).toMatch(/: cut at byte 6: given up after four signals; continue with: .*\n$/);
  });

  it("returns 125 and the byte at which the output was cut, never a success, if the guest is gone", async () => {
    const given = await startPod();
    const running = startGuestctl(given.shell("echo hello; sleep 1000", "--reconnect-timeout", "1"));
    await running.prints("hello\n");
    await given[Symbol.asyncDispose]();
    expect(await running.ended).toBe(125);
    expect(running.output.stderr).toMatch(
      /^guestctl: exec \S+ in container \S+: cut at byte 6: .+; continue with: guestctl exec --address \S+ --resume \S+ --from 6 \S+\n$/,
    );
  });
});
