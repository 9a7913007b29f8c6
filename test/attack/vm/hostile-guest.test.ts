import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { capture } from "../../../host/demo/captured-process.ts";
import { imageSpec } from "../../../host/engine/image/image-config.ts";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { canGuard } from "../../../host/vm/guard-share.ts";
import { isRoot } from "../../../lib/is-root.ts";

const guestctl = join(import.meta.dirname, "../../../host/cli/launch.cjs");
const SHARED = "/run/kata-containers/shared/containers";

const guards = await canGuard(isRoot());
const CANNOT = guards ? "" : "(skipped: this user can't mount in a namespace) ";

describe("a guest that attacks the host's commands", () => {
  let directory: string;
  let outside: string;
  let image: string;
  let folder: string;
  let client: AgentClient;

  async function run(...args: readonly string[]) {
    const env = { ...process.env, XDG_RUNTIME_DIR: join(directory, "run"), TMPDIR: directory, NO_COLOR: "1" };
    return promisify(execFile)(process.execPath, [guestctl, ...args], { env, timeout: 60_000 }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  }

  /** Returns the name of a container's directory in the share. */
  const placeOf = (name: string) =>
    readdirSync(join(folder, "shared")).find((each) => each.startsWith(`${name}@`)) ?? "missing";

  /** Runs a shell script in the guest, as its root, with the whole share at /share. */
  async function inGuest(script: string): Promise<void> {
    const id = `evil-${Math.random().toString(36).slice(2)}`;
    const mount = { destination: "/share", source: SHARED, type: "bind", options: ["rbind", "rw"] };
    const place = { host: "/nonexistent", guest: `${SHARED}/${placeOf("tools")}/rootfs` };
    const OCI = imageSpec({ config: {} }, place, { args: ["sh", "-ec", script], mounts: [mount] });
    await client.agent.createContainer({ container_id: id, exec_id: id, OCI });
    await client.agent.startContainer({ container_id: id });
    const { output, code } = await capture(client, { container_id: id, exec_id: id });
    await client.agent.removeContainer({ container_id: id });
    expect([code, output]).toEqual([0, ""]);
  }

  /** Lists the files outside the share, with their modes. */
  function outsideNow(): string[] {
    const mode = (name: string) => (statSync(join(outside, name)).mode & 0o7777).toString(8);
    return [".", ...(readdirSync(outside, { recursive: true }) as string[]).sort()].map(
      (name) => `${name} ${mode(name)}`,
    );
  }

  const UNTOUCHED = [". 700", "passwd 644", "rootfs 700", "rootfs/kept 600"];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "hostile-"));
    outside = join(directory, "outside");
    mkdirSync(join(directory, "run"), { mode: 0o700 });
    mkdirSync(join(outside, "rootfs"), { recursive: true });
    for (const path of [outside, join(outside, "rootfs")]) await promisify(execFile)("chmod", ["700", path]);
    writeFileSync(join(outside, "passwd"), "hostuser:x:7:7::/:\n", { mode: 0o644 });
    writeFileSync(join(outside, "rootfs/kept"), "", { mode: 0o600 });
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const booted = await run("boot", "--detach", "--name", "hostile", "--rootfs", "share");
    expect(booted.stderr).toBe("");
    for (const name of ["web", "tools"]) {
      expect(await run("run", "-d", "-g", "hostile", "--name", name, image, "sleep", "1000")).toMatchObject({
        code: 0,
      });
    }
    const state = join(directory, "run", `guestd-${process.getuid?.() ?? 0}`, "hostile/guest.json");
    const record = JSON.parse(readFileSync(state, "utf8")) as { address: string; folder: string };
    folder = record.folder;
    client = await connect(record.address);
  });
  afterAll(async () => {
    await client?.close();
    await run("stop", "hostile");
    rmSync(directory, { recursive: true, force: true });
  });

  it.skipIf(!guards)(
    `${CANNOT}can't plant a name where an image is about to be unpacked, or in place of an unpacked one`,
    async () => {
      const web = placeOf("web");
      await inGuest(`set +e; cd /share; { ln -s ${outside} victim || mkdir -p third/rootfs || mv ${web} gone ||
      mv ${web}/rootfs ${web}/gone || ln -s ${outside} ${web}/link || chmod 777 . || chmod 777 ${web}; } 2>/dev/null && echo written; true`);
      for (const name of ["victim", "third"]) {
        expect(await run("run", "-g", "hostile", "--name", name, image, "true")).toMatchObject({ code: 0, stderr: "" });
      }
      expect(outsideNow()).toEqual(UNTOUCHED);
    },
  );

  it("can't make the host remove, write or open anything outside while it swaps the container's directories for links", async () => {
    const tools = `/share/${placeOf("tools")}/rootfs`;
    const swap = `cd /share; set +e; for i in $(seq 300); do
      test -e ${tools}/enough && break
      for race in race@*; do
        ( cd $race/rootfs && mv usr away && ln -s ${outside} usr && rm -f usr; mv away usr )
        mv $race gone && ln -s ${outside} $race && rm -f $race; mv gone $race
      done
    done 2>/dev/null; rm -f ${tools}/enough; true`;
    const attacking = inGuest(swap);
    for (let times = 0; times < 2; times++) await run("run", "-g", "hostile", "--name", "race", image, "true");
    expect(outsideNow()).toEqual(UNTOUCHED);
    await inGuest(`touch ${tools}/enough`);
    await attacking;
  });

  it("can't make the host read one of its own files as the container's, or wait for a pipe or device", async () => {
    const plants = [
      `ln -sf ${outside}/passwd passwd`,
      "ln -sf ../../../../../outside/passwd passwd",
      "rm passwd; mkfifo passwd",
      "rm passwd; mknod passwd c 5 0 2>/dev/null || mkfifo passwd",
    ];
    const web = `/share/${placeOf("web")}/rootfs`;
    for (const plant of plants) {
      await inGuest(`cd ${web}/etc; ${plant}`);
      const { code, stderr } = await run("exec", "-u", "hostuser", "web", "true");
      expect([code, stderr]).toEqual([125, `guestctl: user "hostuser": hostuser is not in the image's /etc/passwd\n`]);
    }
    await inGuest(`cd ${web}; mv etc etc-away; ln -s ${outside} etc`);
    expect((await run("exec", "-u", "hostuser", "web", "true")).code).toBe(125);
    await inGuest(`cd ${web}; rm etc; mv etc-away etc; cd etc; rm passwd; echo root:x:0:0::/: > passwd`);
  });

  it("opens its share, with set-id programs and devices in it, to no user of the host", async () => {
    await inGuest(
      `cd /share/${placeOf("web")}/rootfs; cp bin/busybox tool; chmod 4755 tool; chmod 777 . ; mknod disk b 254 0 2>/dev/null || true`,
    );
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "..")).ino).not.toBe(statSync(folder).ino);
    expect(existsSync(join(folder, "tool"))).toBe(false);
  });

  it("can write to the operator's terminal only through a process's own output", async () => {
    await inGuest("printf 'console \\033]0;title\\007 \\302\\2332J\\n' > /dev/kmsg || true");
    const outputs = await Promise.all([
      run("exec", "web", "\u001b[2Jno\u009bsuch"),
      run("logs"),
      run("logs", "--console"),
      run("explain", "web"),
      run("ps"),
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    const obeyed = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;
    for (const { stdout, stderr } of outputs) expect(`${stdout}${stderr}`).not.toMatch(obeyed);
    expect(outputs[0]?.stderr).toContain("executable file not found");
  });

  it("leaves nothing behind, whatever trees and names it has created", async () => {
    const web = `/share/${placeOf("web")}/rootfs`;
    const deep = `cd ${web}; for i in $(seq 200); do mkdir -m 700 d && cd d; done; touch end; chmod 0 .`;
    await inGuest(`${deep}; cd ${web}; mkdir -m 0 shut; touch "$(printf 'a\\nb\\033\\377')"; ln -s ${outside} out`);
    await client.close();
    expect(await run("stop", "hostile")).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(folder)).toBe(false);
    expect(outsideNow()).toEqual(UNTOUCHED);
  });
});
