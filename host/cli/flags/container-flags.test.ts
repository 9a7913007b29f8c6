import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { containerRequest } from "../../engine/container/prepare-run.ts";
import { imageSpec } from "../../engine/image/image-config.ts";
import { addRun } from "../command/run.ts";
import { type RunFlags, runOptions } from "./run-flags.ts";

const folder = mkdtempSync(join(tmpdir(), "guestd-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Parses options of `run`. */
function flagsOf(...line: string[]): RunFlags {
  const program = new Command().exitOverride().enablePositionalOptions();
  addRun(program);
  const [command] = program.commands;
  let seen: RunFlags | undefined;
  command?.exitOverride().configureOutput({ writeErr: () => undefined });
  command?.action((_words: string[], flags: RunFlags) => {
    seen = flags;
  });
  program.parse(["run", ...line, "image"], { from: "user" });
  return seen ?? expect.fail("run was not called");
}

const optionsOf = (...line: string[]) => runOptions([], flagsOf(...line));
const specOf = (...line: string[]) =>
  imageSpec({ config: { Cmd: ["x"] } }, { host: "/nonexistent", guest: "/r" }, optionsOf(...line));
const bounding = (...line: string[]) => specOf(...line).Process?.Capabilities?.Bounding ?? [];

describe("docker's options of run", () => {
  test("--env-file sets the variables of its lines, and -e has priority", () => {
    const file = join(folder, "a.env");
    writeFileSync(file, "# comment\n\nA=1\r\nB= two words  \n  C=x=y\nGUESTD_NOT_SET_HERE\n");
    expect(optionsOf("--env-file", file, "-e", "A=2").env).toEqual(["A=1", "B= two words  ", "C=x=y", "A=2"]);
    expect(specOf("--env-file", file, "-e", "A=2").Process?.Env).toContain("A=2");
    expect(specOf("--env-file", file, "-e", "A=2").Process?.Env).not.toContain("A=1");
  });

  test("--env-file names the line that it can't read, and the file that doesn't exist", () => {
    const file = join(folder, "b.env");
    writeFileSync(file, "A=1\nexport B=2\n");
    expect(() => flagsOf("--env-file", file)).toThrow(`Line 2 of ${file} is not NAME=value.`);
    expect(() => flagsOf("--env-file", join(folder, "none"))).toThrow("ENOENT");
  });

  test("--hostname, --read-only and --tmpfs are fields of the spec", () => {
    const line = ["--hostname", "db-1.local", "--read-only", "--tmpfs", "/run", "--tmpfs", "/a/../b:size=1m,mode=755"];
    const spec = specOf(...line, "--mount", "type=tmpfs,target=/c");
    expect(spec).toMatchObject({ Hostname: "db-1.local", Root: { Readonly: true } });
    const options = ["nosuid", "nodev", "noexec"];
    expect(spec.Mounts?.slice(-3)).toEqual([
      { destination: "/c", source: "tmpfs", type: "tmpfs", options },
      { destination: "/run", source: "tmpfs", type: "tmpfs", options },
      { destination: "/b", source: "tmpfs", type: "tmpfs", options: [...options, "size=1m", "mode=755"] },
    ]);
  });

  test("--cap-add and --cap-drop change Docker's capabilities, and what is added counts more", () => {
    expect(bounding()).toHaveLength(14);
    expect(bounding("--cap-add", "net_admin", "--cap-add", "CAP_CHOWN")).toEqual([...bounding(), "CAP_NET_ADMIN"]);
    expect(bounding("--cap-drop", "MKNOD", "--cap-drop", "CAP_NET_RAW")).toEqual(
      bounding().filter((each) => !["CAP_MKNOD", "CAP_NET_RAW"].includes(each)),
    );
    expect(bounding("--cap-drop", "ALL")).toEqual([]);
    expect(bounding("--cap-drop", "all", "--cap-add", "KILL")).toEqual(["CAP_KILL"]);
    expect(bounding("--cap-add", "ALL", "--cap-drop", "SYS_ADMIN")).toHaveLength(40);
    expect(bounding("--cap-drop", "KILL", "--cap-add", "KILL")).toContain("CAP_KILL");
  });

  test("--privileged has all capabilities and system calls, and hides nothing", () => {
    const spec = specOf("--privileged", "--cap-drop", "KILL");
    expect(spec.Process?.Capabilities?.Bounding).toHaveLength(41);
    expect(spec.Linux).toMatchObject({ Seccomp: { DefaultAction: "SCMP_ACT_ALLOW" } });
    expect(spec.Linux?.MaskedPaths ?? []).toEqual([]);
    expect(spec.Linux?.ReadonlyPaths ?? []).toEqual([]);
    expect(spec.Mounts?.filter(({ options }) => options?.includes("ro"))).toEqual([]);
    expect(specOf().Linux).not.toHaveProperty("Seccomp");
    expect(specOf().Mounts?.filter(({ options }) => options?.includes("ro"))).toHaveLength(2);
  });

  test("--init, --add-host and --dns are files of the container's own, in place of the image's and the guest's", () => {
    const hosts = ["--hostname", "web", "--add-host", "db:10.0.0.2", "--add-host", "six=[fd00::1]", "--init"];
    const dns = ["--dns", "1.1.1.1", "--dns", "fd00::53", "--dns-search", "example.com", "--dns-option", "ndots:2"];
    const prepared = { rootfs: { host: "/nonexistent", guest: "/r" }, config: { Cmd: ["x"] }, network: true };
    const { OCI, storages } = containerRequest("web", prepared, optionsOf(...hosts, ...dns));
    expect(OCI.Process?.Args).toEqual(["/dev/init", "x"]);
    const place = "/run/kata-containers/web/files";
    const options = ["bind", "nosuid", "nodev"];
    expect(OCI.Mounts?.slice(-3)).toEqual([
      { destination: "/etc/hosts", source: `${place}/hosts`, type: "bind", options: [...options, "noexec"] },
      {
        destination: "/etc/resolv.conf",
        source: `${place}/resolv.conf`,
        type: "bind",
        options: [...options, "noexec"],
      },
      { destination: "/dev/init", source: `${place}/init`, type: "bind", options: [...options, "ro"] },
    ]);
    const lines = "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 web\n10.0.0.2 db\nfd00::1 six\n";
    const resolver = "nameserver 1.1.1.1\nnameserver fd00::53\nsearch example.com\noptions ndots:2\n";
    const driver_options = [`hosts=${lines}`, `resolv.conf=${resolver}`, "init"];
    expect(storages).toEqual([
      { driver: "files", source: "files", fstype: "tmpfs", mount_point: place, driver_options },
    ]);
    const without = containerRequest("web", prepared, optionsOf());
    expect(without.storages).toEqual([]);
    expect(specOf(...hosts).Annotations).toEqual({ "guestd.uts": "own" });
    expect(without.OCI.Mounts?.map(({ source }) => source)).toContain("/run/kata-containers/sandbox/resolv.conf");
    expect(() => optionsOf("--dns-search", "a")).toThrow("--dns-search: no name server; add --dns");
    const many = Array.from({ length: 201 }, (_, at) => ["--add-host", `h${at}:::1`]).flat();
    expect(() => flagsOf(...many)).toThrow("Expected at most 200.");
  });

  test("each container of a guest has its host name in /etc/hosts and /etc/hostname", () => {
    const guest = `${"g".repeat(64)}-cut`;
    const prepared = { rootfs: { host: "/nonexistent", guest: "/r" }, config: { Cmd: ["x"] }, guest };
    const filesOf = (...line: string[]) => {
      const { OCI, storages } = containerRequest("web", prepared, optionsOf(...line));
      const places = OCI.Mounts?.filter(({ source }) => source?.includes("/web/files/")).map(
        (each) => each.destination,
      );
      expect(places).toEqual(["/etc/hosts", "/etc/hostname"]);
      return storages.at(-1)?.driver_options;
    };
    const localhost = "127.0.0.1 localhost\n::1 localhost\n";
    const name = "g".repeat(64);
    expect(filesOf()).toEqual([`hosts=${localhost}127.0.1.1 ${name}\n`, `hostname=${name}\n`]);
    expect(filesOf("--hostname", "db")).toEqual([`hosts=${localhost}127.0.1.1 db\n`, "hostname=db\n"]);
  });

  test("--shm-size, --security-opt and --pids-limit are fields of the spec", () => {
    const spec = specOf("--shm-size", "1g", "--security-opt", "no-new-privileges:true", "--pids-limit", "7");
    const options = ["nosuid", "nodev", "noexec", "mode=1777", `size=${2 ** 30}`];
    expect(spec.Mounts?.at(-1)).toEqual({ destination: "/dev/shm", source: "shm", type: "tmpfs", options });
    expect(spec.Process?.NoNewPrivileges).toBe(true);
    expect(spec.Linux?.Resources?.Pids?.Limit).toBe(7);
    expect(spec.Linux).not.toHaveProperty("Seccomp");
    const free = specOf("--security-opt", "seccomp=unconfined", "--security-opt", "label=disable");
    expect(free.Linux).toMatchObject({ Seccomp: { DefaultAction: "SCMP_ACT_ALLOW" } });
    expect(free.Linux?.MaskedPaths).not.toEqual([]);
    expect(free.Process?.NoNewPrivileges).toBe(false);
  });

  test("--label, --stop-signal, --stop-timeout and --timeout are kept for other commands", () => {
    const line = ["-l", "app=web=1", "--label", "empty", "--stop-signal", "SIGRTMIN+3", "--stop-timeout", "0"];
    expect(flagsOf(...line, "--timeout", "5")).toEqual({
      label: { app: "web=1", empty: "" },
      ...{ stopSignal: 37, stopTimeout: 0, timeout: 5 },
    });
    const odd = flagsOf("--label", "__proto__=x").label ?? {};
    expect(Object.entries(odd)).toEqual([["__proto__", "x"]]);
  });

  test.each([
    ["--hostname", "-a"],
    ["--hostname", "x".repeat(65)],
    ["--hostname", "a b"],
    ["--label", "=x"],
    ["--add-host", "db"],
    ["--add-host", "db:host-gateway"],
    ["--add-host", "a b:10.0.0.2"],
    ["--add-host", "db:10.0.0.2\n::1 localhost"],
    ["--add-host", "db:fe80::1%eth0"],
    ["--dns", "localhost"],
    ["--dns-search", "a\nnameserver 1.1.1.1"],
    ["--dns-option", "ndots:2 rotate"],
    ["--security-opt", "seccomp=file.json"],
    ["--shm-size", "0"],
    ["--cap-add", "NOTHING"],
    ["--tmpfs", "run"],
    ["--tmpfs", "/run:a;b"],
    ["--stop-signal", "SIGRTMIN+31"],
    ["--stop-timeout", "-1"],
    ["--timeout", "0"],
  ])("%s %s is refused", (...line) => {
    expect(() => flagsOf(...line)).toThrow("Expected");
  });
});
