import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startProgram } from "../scenarios/guestctl-process.ts";
import { missingPrograms } from "../scenarios/missing-programs.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";
import { outcome, SshClient } from "./testing/ssh-client.ts";

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const bind = (path: string) => ({ destination: path, source: path, type: "bind", options: ["rbind", "ro"] });

describeInNamespaces(
  "files over guestctl ssh-proxy",
  () => {
    let machine: Awaited<ReturnType<typeof startHostAgent>>;
    let pod: Pod;
    const clients: SshClient[] = [];
    beforeAll(async () => {
      machine = await startHostAgent();
      pod = await Pod.open(machine);
    });
    afterAll(async () => {
      for (const client of clients) await client[Symbol.asyncDispose]();
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    const start = async (name: string, mounts: typeof DEFAULT_MOUNTS) => {
      const root = machine.rootfs(name);
      const id = await pod.create(["sleep", "1000"], { Mounts: [...DEFAULT_MOUNTS, ...mounts] }, root);
      await pod.client.agent.startContainer({ container_id: id });
      const client = await SshClient.open(machine, id);
      clients.push(client);
      const here = join(machine.directory, `${name}-here`);
      mkdirSync(here);
      return { client, here, home: join(root, "root") };
    };
    const host = () => ["/usr", "/lib", "/lib64"].filter((path) => existsSync(path)).map(bind);

    describe.each([
      ["busybox", () => []],
      ["coreutils", host],
    ])("with the %s of the container", (name, mounts) => {
      let given: Awaited<ReturnType<typeof start>>;
      beforeAll(async () => {
        given = await start(name, mounts());
      });
      const sftp = async (...lines: string[]) => {
        const running = given.client.run("sftp", ["-q", "-b", "-", given.client.host]);
        running.child.stdin?.end(lines.map((line) => `${line}\n`).join(""));
        const { code, stdout, stderr } = await outcome(running);
        return { code, stderr, lines: stdout.split("\n").filter((line) => line !== "" && !line.startsWith("sftp>")) };
      };

      it("copies a file both ways with scp while the agent is killed, without a change", async () => {
        const { client, here, home } = given;
        const file = join(here, "file");
        writeFileSync(file, randomBytes(6_000_000), { mode: 0o755 });
        const up = outcome(client.run("scp", ["-q", file, `${client.host}:up`]));
        await machine.killAgent();
        expect(await up).toEqual({ code: 0, stdout: "", stderr: "" });
        expect([sha256(join(home, "up")), statSync(join(home, "up")).mode & 0o777]).toEqual([sha256(file), 0o755]);
        const down = outcome(client.run("scp", ["-q", `${client.host}:up`, `${here}/down`]));
        await machine.killAgent();
        expect(await down).toEqual({ code: 0, stdout: "", stderr: "" });
        expect(sha256(join(here, "down"))).toBe(sha256(file));
      });

      it("copies a folder both ways with its modes and times, and names with any character", async () => {
        const { client, here } = given;
        const tree = join(here, "tree");
        mkdirSync(join(tree, "sub dir"), { recursive: true });
        for (const each of ["-n", "it's $HOME", "two\nlines", "größe", "sub dir/empty"]) {
          writeFileSync(join(tree, each), each.endsWith("empty") ? "" : each);
        }
        chmodSync(join(tree, "größe"), 0o640);
        execFileSync("touch", ["-d", "@1000000001", join(tree, "größe")]);
        const copied = await outcome(client.run("scp", ["-qrp", tree, `${client.host}:`]));
        expect(copied).toEqual({ code: 0, stdout: "", stderr: "" });
        expect(await client.run("scp", ["-qrp", `${client.host}:tree`, join(here, "back")]).ended).toBe(0);
        execFileSync("diff", ["-r", tree, join(here, "back")]);
        const { mode, mtimeMs } = statSync(join(here, "back/größe"));
        expect([mode & 0o777, mtimeMs]).toEqual([0o640, 1_000_000_001_000]);
      });

      it("lists, renames, links and removes", async () => {
        const { client, here } = given;
        writeFileSync(join(here, "one"), "1");
        const steps = [
          "mkdir d",
          `put ${here}/one d/one`,
          "rename d/one d/two",
          "symlink two d/link",
          "chmod 600 d/two",
        ];
        expect(await sftp(...steps)).toMatchObject({ code: 0, stderr: "" });
        expect((await sftp("ls -1a d")).lines.map((line) => line.trim())).toEqual(["d/.", "d/..", "d/link", "d/two"]);
        expect((await outcome(client.ssh("cd d; cat link; stat -c %a two"))).stdout).toBe("1600\n");
        expect(await sftp("rm d/link", "rm d/two", "rmdir d")).toMatchObject({ code: 0, stderr: "" });
        expect((await outcome(client.ssh("ls -d d"))).code).not.toBe(0);
      });

      it("reports refusals, and changes nothing by them", async () => {
        const { here } = given;
        writeFileSync(join(here, "one"), "1");
        expect(await sftp("get nowhere")).toMatchObject({ code: 1, stderr: 'File "/root/nowhere" not found.\r\n' });
        const put = await sftp(`put ${here}/one nowhere/one`);
        expect(put).toMatchObject({ code: 1, stderr: expect.stringMatching(/: No such file or directory\r\n$/) });
        expect((await sftp("mkdir e", "mkdir e")).code).toBe(1);
        const renamed = await sftp(`put ${here}/one e/a`, `put ${here}/one e/b`, "rename e/a e/b");
        expect(renamed.code).toBe(1);
        expect((await sftp("rmdir e")).code).toBe(1);
        expect((await sftp("ls -1 e")).lines.map((line) => line.trim())).toEqual(["e/a", "e/b"]);
      });

      it("continues an upload and a download that ended in the middle", async () => {
        const { here, home } = given;
        const whole = randomBytes(200_000);
        writeFileSync(join(here, "whole"), whole);
        writeFileSync(join(home, "part"), whole.subarray(0, 70_000));
        expect(await sftp(`reput ${here}/whole part`)).toMatchObject({ code: 0, stderr: "" });
        expect(sha256(join(home, "part"))).toBe(sha256(join(here, "whole")));
        writeFileSync(join(here, "rest"), whole.subarray(0, 70_001));
        expect(await sftp(`reget part ${here}/rest`)).toMatchObject({ code: 0, stderr: "" });
        expect(sha256(join(here, "rest"))).toBe(sha256(join(here, "whole")));
      });
    });

    it("reports a full disk", async () => {
      const small = { destination: "/small", source: "tmpfs", type: "tmpfs", options: ["size=1m"] };
      const { client, here } = await start("small", [small]);
      writeFileSync(join(here, "file"), randomBytes(3_000_000));
      const { code, stderr } = await outcome(
        client.run("scp", ["-q", join(here, "file"), `${client.host}:/small/file`]),
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(/No space left on device|Failure/);
    });

    const missingGit = missingPrograms("git");
    it.skipIf(missingGit !== undefined)(
      `clones, and pushes while the agent is killed, with git${missingGit ? ` (skipped: ${missingGit})` : ""}`,
      async () => {
        const { client, here } = await start("git", host());
        const env = {
          ...client.env,
          GIT_SSH_COMMAND: `ssh -F ${client.config}`,
          GIT_CONFIG_COUNT: "2",
          GIT_CONFIG_KEY_0: "user.email",
          GIT_CONFIG_VALUE_0: "a@b.c",
          GIT_CONFIG_KEY_1: "user.name",
          GIT_CONFIG_VALUE_1: "a",
        };
        const git = (...words: string[]) => outcome(startProgram(["git", ...words], { env }));
        expect((await outcome(client.ssh("git init -q --bare repo.git"))).stderr).toBe("");
        const clone = join(here, "clone");
        expect((await git("clone", "-q", `${client.host}:repo.git`, clone)).code).toBe(0);
        writeFileSync(join(clone, "file"), randomBytes(3_000_000));
        await git("-C", clone, "add", ".");
        await git("-C", clone, "commit", "-qm", "one");
        const pushed = git("-C", clone, "push", "-q", "origin", "HEAD");
        await machine.killAgent();
        expect((await pushed).code).toBe(0);
        expect((await git("clone", "-q", `${client.host}:repo.git`, join(here, "again"))).code).toBe(0);
        expect(sha256(join(here, "again/file"))).toBe(sha256(join(clone, "file")));
      },
    );

    const missingRsync = missingPrograms("rsync");
    it.skipIf(missingRsync !== undefined)(
      `copies a folder with rsync while the agent is killed${missingRsync ? ` (skipped: ${missingRsync})` : ""}`,
      async () => {
        const { client, here } = await start("rsync", host());
        const tree = join(here, "tree");
        mkdirSync(tree);
        writeFileSync(join(tree, "file"), randomBytes(3_000_000));
        symlinkSync("file", join(tree, "link"));
        const rsync = (...words: string[]) =>
          outcome(startProgram(["rsync", "-a", "-e", `ssh -F ${client.config}`, ...words], { env: client.env }));
        const up = rsync(tree, `${client.host}:`);
        await machine.killAgent();
        expect(await up).toEqual({ code: 0, stdout: "", stderr: "" });
        cpSync(tree, join(here, "kept"), { recursive: true, verbatimSymlinks: true });
        expect((await rsync(`${client.host}:tree`, join(here, "back"))).code).toBe(0);
        execFileSync("diff", ["-r", join(here, "kept"), join(here, "back/tree")]);
      },
    );
  },
  missingPrograms("ssh", "scp", "sftp"),
);
