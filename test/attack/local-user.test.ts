import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isRoot } from "../../lib/is-root.ts";

const repository = join(import.meta.dirname, "../..");
/** Path of the repository for users who may not enter its own directory. */
const HERE = "/mnt";
const ATTACKER = 65_534;

const title = isRoot() ? "another user of the host" : "another user of the host (needs root)";

describe.skipIf(!isRoot()).each([0, 4321])(`${title}, against uid %i,`, (victim) => {
  const STATE = `/tmp/guestd-${victim}`;
  const ELSEWHERE = "or set XDG_RUNTIME_DIR to a folder of yours";
  const SECRET = "a secret of the victim";
  let machine: ChildProcess;
  let others: ChildProcess[];

  /** Returns a command line for a user in a mount namespace with its own /tmp. */
  function as(uid: number, ...command: readonly string[]): readonly [string, string[]] {
    const enter = ["-t", String(machine.pid), "-m", "--wd=/", "setpriv", `--reuid=${uid}`, `--regid=${uid}`];
    return ["nsenter", [...enter, "--clear-groups", "env", "-u", "XDG_RUNTIME_DIR", "TMPDIR=/tmp", ...command]];
  }

  function node(file: string): string[] {
    const inside = relative(repository, process.execPath);
    return [inside.startsWith("..") ? process.execPath : join(HERE, inside), join(HERE, file)];
  }

  async function shell(uid: number, script: string): Promise<void> {
    await promisify(execFile)(...as(uid, "sh", "-ec", script));
  }

  /** Runs the victim's guestctl. Returns its exit code and output. */
  async function guestctl(args: readonly string[], env: readonly string[] = []) {
    const ran = promisify(execFile)(...as(victim, ...env, ...node("host/cli/launch.cjs"), ...args), {
      timeout: 50_000,
    });
    return ran.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  }

  /** Runs plant-guest.ts until the test ends. Returns a function for the bytes received on its socket. */
  async function plant(uid: number, ...args: readonly string[]): Promise<() => string> {
    const [program, words] = as(uid, ...node("test/attack/testdata/plant-guest.ts"), ...args);
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    others.push(child);
    let text = "";
    child.stdout.on("data", (data: Buffer) => (text += data.toString("latin1")));
    await once(child.stdout, "data");
    return () => text;
  }

  beforeEach(async () => {
    others = [];
    const mounts = `mount --bind "$0" ${HERE}; mount -t tmpfs -o mode=1777 tmpfs /tmp; echo up; exec sleep 1000`;
    machine = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-ec", mounts, repository], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (machine.stdout !== null) await once(machine.stdout, "data");
    await shell(victim, `umask 077; echo "${SECRET}" > /tmp/secret`);
  });
  afterEach(async () => {
    for (const child of [...others, machine]) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  const copy = ["cp", "-g", "fake", "/tmp/secret", ":secret"];
  const commands = [["ps"], copy, ["stop", "fake"]];

  /** Runs commands concurrently, expects all to fail, and returns their errors. */
  async function refusals(all: readonly (readonly string[])[], env: readonly string[] = []): Promise<string[]> {
    const ended = await Promise.all(all.map((command) => guestctl(command, env)));
    for (const { code, stdout } of ended) expect([code, stdout]).toEqual([1, ""]);
    return ended.map(({ stderr }) => stderr);
  }

  it("can plant a folder with a guest, but guestctl shows, sends and trusts nothing of it", async () => {
    const sent = await plant(ATTACKER, "plant", STATE, "/tmp/fake.sock");
    for (const line of await refusals(commands)) {
      expect(line).toBe(`guestctl: ${STATE}: the folder belongs to uid ${ATTACKER}; remove it, ${ELSEWHERE}\n`);
    }
    expect(sent()).toBe("ready\n");
  });

  if (victim === 0) {
    it("can't make guestctl use another folder through a planted link", async () => {
      const sent = await plant(ATTACKER, "plant", "/tmp/planted", "/tmp/fake.sock");
      await shell(ATTACKER, `ln -s /tmp/planted ${STATE}`);
      await shell(victim, "mkdir -m 700 /tmp/own");
      for (const target of ["/tmp/planted", "/tmp/own", "/tmp/nothing"]) {
        await shell(ATTACKER, `ln -sfn ${target} ${STATE}`);
        for (const line of await refusals([target === "/tmp/own" ? ["boot", "-d", "--name", "box"] : copy])) {
          expect(line).toBe(`guestctl: ${STATE}: not a directory; remove it, ${ELSEWHERE}\n`);
        }
      }
      expect(sent()).toBe("ready\n");
      await shell(victim, 'test -z "$(ls /tmp/own)"; test ! -e /tmp/nothing');
    });

    it("gets no file in its runtime directory that sudo or su left in the environment", async () => {
      await shell(ATTACKER, "mkdir -m 755 /tmp/run");
      await plant(ATTACKER, "plant", `/tmp/run/guestd-${victim}`, "/tmp/fake.sock");
      for (const line of await refusals([copy, ["boot", "-d", "--name", "box"]], ["XDG_RUNTIME_DIR=/tmp/run"])) {
        expect(line).toContain(`/tmp/run belongs to uid ${ATTACKER}, who could replace files in it`);
      }
    });
  }

  it("can take the name of an ended guest's socket, but guestctl doesn't connect to it", async () => {
    await shell(ATTACKER, "mkdir -m 755 /tmp/guestd-vm-abcdef");
    const sent = await plant(ATTACKER, "plant", "/tmp/other", "/tmp/guestd-vm-abcdef/vm.vsock");
    await plant(victim, "keep", "/tmp/guestd-vm-abcdef/vm.vsock");
    expect((await guestctl(["ps"])).stdout).toMatch(/^fake +- +- +no answer/m);
    for (const line of await refusals([copy, ["logs"]])) {
      expect(line).toBe(`guestctl: /tmp/guestd-vm-abcdef: the folder belongs to uid ${ATTACKER}; remove it
`);
    }
    expect(sent()).toBe("ready\n");
  });
});
